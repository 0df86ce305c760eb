"""A direction added to the residual stream, or taken out of it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cortexscope.errors import UsageError
from cortexscope.interventions import _hooks as hooks
from cortexscope.interventions._edit import Edit
from cortexscope.interventions._places import Place, places_of, written
from cortexscope.interventions._reading import SUITE, Prompts, Readings, Wanted
from cortexscope.interventions._target import Target

__all__ = ["Direction", "vector_text"]

_FORM = (
    "write direction:LAYER=add:SCALE:VECTOR or direction:LAYER=out:VECTOR, where VECTOR is a .npy "
    "file, TASK-TASK (the difference of their mean states, with @SUITE behind for another suite), "
    "or what cortexscope.interventions.vector_text gives of an array"
)
_INLINE = "f32:"


@dataclass(frozen=True, slots=True)
class Direction(Edit):
    """Adds a vector to the state of a layer at every token, or takes its direction out.

    `add` adds `scale` times the vector, in units of the state. `out` takes away the part of each
    state along the vector: h - (h . u) u, where u is the vector of length 1.
    """

    kind: ClassVar[str] = "direction"

    places: tuple[Place, ...]
    """The layers, 0 for the embedding output."""
    way: Literal["add", "out"]
    vector: str
    """Where it comes from: a `.npy` file, `TASK-TASK`, or the numbers themselves."""
    scale: int | float = 1.0

    @classmethod
    def parse(cls, where: str, how: str | None) -> Direction:
        """Return the direction that a user typed."""
        way, _, rest = (how or "").partition(":")
        scale = "1"
        if way == "add":
            scale, _, rest = rest.partition(":")
        try:
            factor = float(scale)
        except ValueError:
            factor = math.nan
        if way not in ("add", "out") or not rest or not math.isfinite(factor):
            raise UsageError(f"{cls.kind}:{where}={how or ''} cannot be read; {_FORM}.")
        way_: Literal["add", "out"] = "add" if way == "add" else "out"
        return cls(places_of(where), way_, rest, factor)

    @classmethod
    def parts(cls, target: Target) -> Iterator[Direction]:
        """Yield nothing: a direction is no part of a model."""
        yield from ()

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return min(place.layer for place in self.places)

    def __str__(self) -> str:
        scale = f"{float(self.scale)!r}".removesuffix(".0")
        front = f"add:{scale}" if self.way == "add" else "out"
        return f"{self.kind}:{written(self.places)}={front}:{self.vector}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The file that holds the vector, if one does."""
        return (Path(self.vector).expanduser(),) if self.vector.endswith(".npy") else ()

    def check(self, target: Target) -> None:
        """Refuse layers that are not there, and a vector of another width."""
        for place in self.places:
            self._seam(target, place)
            width = target.stack(place).width
            found = None if self._tasks is not None else _given(self.vector)
            if found is not None and width is not None and len(found) != width:
                raise target.refuse(
                    f"The state of layer {place}",
                    f"the vector has {len(found)} numbers and the state has {width}",
                )

    @property
    def _tasks(self) -> tuple[Prompts, Prompts] | None:
        """What is read for a difference of two tasks; None where the numbers are given."""
        if self.vector.startswith(_INLINE) or self.files:
            return None
        pair, _, suite = self.vector.partition("@")
        plus, minus, more = (*pair.split("-"), "", "")[:3]
        if not plus or not minus or more:
            raise UsageError(f"The vector {self.vector!r} cannot be read; {_FORM}.")
        return Prompts(suite or SUITE, plus), Prompts(suite or SUITE, minus)

    def _seam(self, target: Target, place: Place) -> _Seam:
        """Return where the state of a layer goes by."""
        if place.layer == 0:
            return _Seam(target.block(replace(place, layer=1)).path, "input")
        return _Seam(target.block(place).path, "output")

    def wanted(self, target: Target) -> Mapping[str, Wanted]:
        """Return the mean states of the two tasks at each layer."""
        if self._tasks is None:
            return {}
        return {
            f"{place} {sign}": Wanted(*self._seam(target, place), "mean", prompts)
            for place in self.places
            for sign, prompts in zip("+-", self._tasks, strict=True)
        }

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Change the state where it goes by."""
        for place in self.places:
            if self._tasks is None:
                vector = torch.from_numpy(_given(self.vector)).double()
            else:
                vector = readings[f"{place} +"] - readings[f"{place} -"]
            if self.way == "out":
                length = vector.norm()
                if not length:
                    raise target.refuse(
                        f"The state of layer {place}",
                        "the vector is all zeros and has no direction",
                    )
                vector = vector / length
            path, side = self._seam(target, place)
            turn = _Turn(vector, None if self.way == "out" else float(self.scale))
            install = hooks.before if side == "input" else hooks.after
            install(target.part(path), turn, exits)


class _Seam(NamedTuple):
    path: str
    side: Literal["input", "output"]


class _Turn(hooks.Hook):
    """Adds a multiple of a vector, or takes its direction out where there is no factor."""

    def __init__(self, vector: Float[Tensor, " feature"], factor: int | float | None) -> None:
        self._vector, self._factor = vector, factor

    def _turned(self, states: Tensor) -> Tensor:
        wide = states if states.dtype == torch.float64 else states.float()
        vector = self._vector.to(wide)
        if self._factor is None:
            along = (wide @ vector)[..., None] * vector
            return (wide - along).to(states.dtype)
        return (wide + self._factor * vector).to(states.dtype)

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        states = hooks.first_of(args, kwargs)
        return None if states is None else hooks.given_first(args, kwargs, self._turned(states))

    def after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401
        states = hooks.first_of(output, {})
        return None if states is None else hooks.with_first(output, self._turned(states))


def vector_text(vector: np.ndarray) -> str:
    """Return a vector as the text that `Direction` takes: its numbers in float32.

    Example:
        >>> vector_text(np.array([1.0, -2.0]))
        'f32:AACAPwAAAMA'
    """
    raw = np.asarray(vector, dtype="<f4").reshape(-1).tobytes()
    return _INLINE + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _given(vector: str) -> Float[np.ndarray, " feature"]:
    if vector.startswith(_INLINE):
        text = vector.removeprefix(_INLINE)
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            found = np.frombuffer(raw, dtype="<f4").astype(np.float64)
        except ValueError as error:
            raise UsageError(
                f"The vector {vector[:40]!r} is no array in float32; make it with "
                "cortexscope.interventions.vector_text."
            ) from error
    else:
        try:
            found = np.load(Path(vector).expanduser(), allow_pickle=False).astype(np.float64)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"The vector {vector!r} cannot be read ({error}); give a .npy file with one array "
                "of numbers."
            ) from error
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise UsageError(
            f"The vector {vector[:40]!r} has the shape {found.shape} or numbers that are not "
            "finite; give one array with a finite number a feature."
        )
    return found
