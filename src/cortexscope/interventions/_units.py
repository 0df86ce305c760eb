"""Parts that lie side by side in what a matrix reads, set to a value: heads and neurons."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cortexscope.errors import UsageError
from cortexscope.interventions import _hooks as hooks
from cortexscope.interventions._edit import Edit
from cortexscope.interventions._places import Place, places_of, written
from cortexscope.interventions._reading import Readings, Wanted
from cortexscope.interventions._target import Target
from cortexscope.interventions._values import ZERO, Value

__all__ = ["Row", "UnitEdit", "inputs_of"]


class Row(NamedTuple):
    """Where the units of a layer are."""

    path: str
    """The matrix that reads them."""
    units: int
    """How many."""
    width: int
    """Features of one."""


@dataclass(frozen=True, slots=True)
class UnitEdit(Edit):
    """Sets units of layers to a value, in what the matrix behind them reads.

    The value is one vector for every token: zeros, the mean over all tokens of reference prompts,
    or what the last token of another prompt has there.
    """

    unit: ClassVar[str]

    places: tuple[Place, ...]
    """Layer and number of each, in order."""
    value: Value = ZERO

    @classmethod
    def parse(cls, where: str, how: str | None) -> UnitEdit:
        """Return the units that a user typed, and what they are set to."""
        return cls(places_of(where, units=cls.unit), Value.parse(how))

    @classmethod
    @abstractmethod
    def row(cls, target: Target, place: Place) -> Row:
        """Return where the units of a place's layer are.

        Raises:
            UsageError: if it has none, or they cannot be told apart.
        """

    def removed(self, target: Target, place: Place) -> tuple[hooks.Removed, ...]:
        """Return what has no values of its own any more."""
        return ()

    @classmethod
    def parts(cls, target: Target) -> Iterator[UnitEdit]:
        """Yield each unit of each layer."""
        for layer in target.layers():
            try:
                row = cls.row(target, layer)
            except UsageError:
                continue
            yield from (cls((replace(layer, index=index),)) for index in range(row.units))

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return min(place.layer for place in self.places)

    def __str__(self) -> str:
        how = "" if self.value == ZERO else f"={self.value}"
        return f"{self.kind}:{written(self.places)}{how}"

    def check(self, target: Target) -> None:
        """Refuse units that are not there."""
        for place in self.places:
            row = self.row(target, place)
            assert place.index is not None
            if place.index >= row.units:
                raise target.refuse(
                    f"{self.unit.capitalize()} {place}",
                    f"the layer has the {self.unit}s 0 to {row.units - 1}",
                )

    def wanted(self, target: Target) -> Mapping[str, Wanted]:
        """Return what must be read before they can be set."""
        paths = {self.row(target, place).path for place in self.places}
        found = {path: self.value.wanted(path) for path in paths}
        return {path: one for path, one in found.items() if one is not None}

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Set them."""
        for _, group in groupby(self.places, key=lambda place: (place.stack, place.layer)):
            places = list(group)
            row = self.row(target, places[0])
            chosen = torch.zeros(row.units, dtype=torch.bool)
            chosen[[place.index for place in places]] = True
            where = chosen.repeat_interleave(row.width)
            given = readings.get(row.path)
            value = torch.zeros(len(where)) if given is None else given
            removed = tuple(one for place in places for one in self.removed(target, place))
            hooks.before(target.part(row.path), _Set(where, value, removed), exits)


class _Set(hooks.Hook):
    def __init__(
        self,
        where: Bool[Tensor, " feature"],
        value: Float[Tensor, " feature"],
        removed: tuple[hooks.Removed, ...],
    ) -> None:
        self._where, self._value = where, value
        self.removed = removed

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        entries = hooks.first_of(args, kwargs)
        if entries is None:
            return None
        where = self._where.to(entries.device)
        changed = torch.where(where, self._value.to(entries), entries)
        return hooks.given_first(args, kwargs, changed)


def inputs_of(module: nn.Module) -> int | None:
    """Return how many features a matrix reads, None where it does not say."""
    # The Conv1D of transformers keeps it under another name.
    found = getattr(module, "in_features", getattr(module, "nx", None))
    return found if isinstance(found, int) else None
