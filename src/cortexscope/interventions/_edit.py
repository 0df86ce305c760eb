"""The contract of a kind of edit: what is changed, where, and how much, as frozen data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from cortexscope.errors import UsageError
from cortexscope.interventions._places import Place, places_of, written
from cortexscope.interventions._reading import Readings, Wanted
from cortexscope.interventions._target import Target

__all__ = ["Edit", "LayerEdit"]


class Edit(ABC):
    """One change of a model. A kind is one file, one frozen dataclass, and a row in `EDITS`.

    `str(edit)` is `KIND:WHERE` or `KIND:WHERE=HOW`, which `parse` reads back to an equal one.
    """

    __slots__ = ()

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, where: str, how: str | None) -> Edit:
        """Return what a user typed behind the kind.

        Raises:
            UsageError: if it is of another form.
        """

    @classmethod
    @abstractmethod
    def parts(cls, target: Target) -> Iterator[Edit]:
        """Yield each single part of this kind that can be changed; none where there are none."""

    @property
    @abstractmethod
    def first_layer(self) -> int:
        """The first layer whose state it can change."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decide what it does."""
        return ()

    @abstractmethod
    def check(self, target: Target) -> None:
        """Do nothing where it can be done truly; weights need not be there.

        Raises:
            UsageError: if the model has no such part, or it cannot be changed alone.
        """

    def wanted(self, target: Target) -> Mapping[str, Wanted]:
        """Return what must be read of prompts before it can be done, by a name of its own."""
        return {}

    def weights(self, target: Target) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights that it replaces, with the paths of their modules; most kinds none."""
        yield from ()

    @abstractmethod
    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Do it; closing the exits takes it back.

        Args:
            target: the model, for which `check` has passed.
            readings: what was wanted.
            exits: takes a callback for each step, before or as soon as it is made.
        """


@dataclass(frozen=True, slots=True)
class LayerEdit(Edit):
    """An edit of whole layers, or of one branch of them; nothing but where."""

    places: tuple[Place, ...]
    """The layers, in order."""

    @classmethod
    def parse(cls, where: str, how: str | None) -> LayerEdit:
        """Return the layers that a user typed."""
        if how is not None:
            raise UsageError(
                f"'{cls.kind}' takes a part out and needs no '={how}'; write {cls.kind}:{where}."
            )
        return cls(places_of(where))

    @classmethod
    def parts(cls, target: Target) -> Iterator[LayerEdit]:
        """Yield each layer that can be changed."""
        for place in target.layers():
            edit = cls((place,))
            try:
                edit.check(target)
            except UsageError:
                continue
            yield edit

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return min(place.layer for place in self.places)

    def __str__(self) -> str:
        return f"{self.kind}:{written(self.places)}"
