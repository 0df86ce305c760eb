"""The parts of a model that can be taken out one by one, and where each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cortexscope.analysis import KINDS_OF_PARTS as KINDS
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.interventions import Change, Place, parts
from cortexscope.models import Model, find_anatomy
from cortexscope.records import Stack
from cortexscope.registry import suggestion

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ESTIMATED", "KINDS", "Part", "check_kinds", "kinds_of", "parts_of"]

ESTIMATED = ("heads", "neurons")
"""Of which there are so many that all are estimated, and only the foremost taken out."""


@runtime_checkable
class _Placed(Protocol):
    """An edit of places."""

    @property
    def places(self) -> tuple[Place, ...]:
        """All of them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part, as a change that takes it out."""

    change: Change
    kind: str
    """One of `KINDS_OF_PARTS`."""
    stack: Stack
    layer: int
    index: int | None
    """Of a head, neuron or expert; None of a layer and its branches."""


def kinds_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return kinds of parts in the order of `KINDS_OF_PARTS`, each once.

    Raises:
        UnknownNameError: if there is none of a name.
    """
    for name in names:
        if name not in KINDS:
            raise UnknownNameError(
                f"There is no kind of part {name!r} that can be taken out; "
                f"{suggestion(name, KINDS)}"
            )
    return tuple(kind for kind in KINDS if kind in names)


def check_kinds(label: str, module: nn.Module, kinds: tuple[str, ...]) -> None:
    """Check that a model has parts of one of the kinds at least.

    Args:
        label: of the model.
        module: its weights need not be there.
        kinds: of `KINDS`.

    Raises:
        UsageError: if it has none of them.
    """
    if any(parts(module, kind) for kind in kinds):
        return
    there = [kind for kind in KINDS if parts(module, kind)]
    instead = f"it has {', '.join(there)}" if there else "nor has it any other part that can be"
    raise UsageError(f"{label} has no {' or '.join(kinds)} that can be taken out; {instead}.")


def parts_of(model: Model, kind: str) -> list[Part]:
    """Return each part of a kind that can be taken out alone; none where there are none."""
    stacks = {stack.name: stack.name for stack in find_anatomy(model.module).stacks}
    only = next(iter(stacks))
    found = []
    for change in parts(model, kind):
        (edit,) = change.edits
        assert isinstance(edit, _Placed)
        (place,) = edit.places
        found.append(
            Part(change, kind, stacks[place.stack or only], place.layer, place.index)  # type: ignore[index]
        )
    return found
