"""A change of a model: edits in an order, applied for a while and taken back without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from cortexscope.errors import UsageError
from cortexscope.interventions._edit import Edit
from cortexscope.interventions._kinds import EDITS
from cortexscope.interventions._places import Place
from cortexscope.interventions._reading import Reference, read
from cortexscope.interventions._target import Target
from cortexscope.interventions._units import Row
from cortexscope.models import Model

__all__ = ["Change", "parts", "unit_rows"]

_BETWEEN = "~"


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed of a model.

    Edits act in the order in which they stand, each on what the ones before it leave; what they
    read of reference prompts is read before any of them acts. Where changes are nested, the outer
    one acts first. Two edits of the same weights are refused.

    `str(change)` is its one text, such as `layers:12` or `heads:5.3-4=mean~weights:int4`, and
    `Change.of` of that text is equal to it.
    """

    edits: tuple[Edit, ...]

    @classmethod
    def of(cls, *pieces: str | Edit | Change) -> Change:
        """Return a change made of texts, edits and other changes, in this order.

        Raises:
            UsageError: if a text is of no known form, or there is nothing to change.
            UnknownNameError: if there is no such kind of edit; the message names the nearest ones.

        Example:
            >>> change = Change.of("heads:5.3,5.4", "layers:12")
            >>> str(change), change.first_layer
            ('heads:5.3-4~layers:12', 5)
        """
        edits: list[Edit] = []
        for piece in pieces:
            if isinstance(piece, Change):
                edits.extend(piece.edits)
            elif isinstance(piece, str):
                edits.extend(_parse(text) for text in piece.split(_BETWEEN))
            else:
                edits.append(piece)
        if not edits:
            raise UsageError("A change of nothing was asked for; name an edit, such as layers:12.")
        return cls(tuple(edits))

    def __str__(self) -> str:
        return _BETWEEN.join(map(str, self.edits))

    @property
    def first_layer(self) -> int:
        """The first layer whose state it can change, counted as in every table.

        In a model of one stack the states of all layers before it are those of the model itself.
        """
        return min(edit.first_layer for edit in self.edits)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decide what it does."""
        return tuple(file for edit in self.edits for file in edit.files)

    def check(self, model: nn.Module | Model) -> None:
        """Do nothing where it can be applied to a model, whose weights need not be there.

        Raises:
            UsageError: if the model has no such part, or one cannot be changed truly.
        """
        self._check(Target.of(model))

    def _check(self, target: Target) -> None:
        for edit in self.edits:
            edit.check(target)
        changed: dict[int, Edit] = {}
        for edit in self.edits:
            for path, weight in edit.weights(target):
                before = changed.setdefault(id(weight), edit)
                if before is not edit:
                    raise target.refuse(path, f"both {before} and {edit} change its weights")

    @contextmanager
    def applied(
        self, model: nn.Module | Model | Target, *, reference: Reference | None = None
    ) -> Iterator[None]:
        """Have a model changed inside a `with` block, and exactly as it was after it.

        Weights get their own tensors back, so that all bits are the same, and no hook stays, also
        after an exception.

        Args:
            model: a loaded model, or a module of transformers or like one; a `Target` of it where
                changes are many, so that its parts are looked for once.
            reference: texts, or lists of token ids, that are read for means, norms and shares in
                place of the suite that an edit names.

        Raises:
            UsageError: if the change cannot be done truly, or what it reads cannot be had.
        """
        with ExitStack() as exits:
            self.install(model, exits, reference=reference)
            yield

    def install(
        self,
        model: nn.Module | Model | Target,
        exits: ExitStack,
        *,
        reference: Reference | None = None,
    ) -> None:
        """Change a model until the exits are closed, or for good if they never are.

        Arguments and errors are those of `applied`; after an error what was done is taken back.
        """
        target = Target.of(model)
        self._check(target)
        wanted = {
            f"{number} {name}": one
            for number, edit in enumerate(self.edits)
            for name, one in edit.wanted(target).items()
        }
        found = read(target, wanted, reference) if wanted else {}
        with ExitStack() as steps:
            for number, edit in enumerate(self.edits):
                front = f"{number} "
                own = {k.removeprefix(front): v for k, v in found.items() if k.startswith(front)}
                edit.install(target, own, steps)
            exits.push(steps.pop_all())


def parts(model: nn.Module | Model, kind: str) -> list[Change]:
    """Return each single part of a kind that can be changed, as a change that takes it out.

    `str(part)` names it.

    Args:
        model: its weights need not be there.
        kind: such as `layers`, `attention`, `mlp`, `heads`, `neurons` or `experts`.

    Raises:
        UnknownNameError: if there is no such kind.
    """
    return [Change((edit,)) for edit in EDITS.load(kind).parts(Target.of(model))]


def unit_rows(model: nn.Module | Model, kind: str) -> list[tuple[Place, Row]]:
    """Return where the units of each layer lie side by side, in what which matrix reads.

    Layers without them are left out.

    Args:
        model: its weights need not be there.
        kind: `heads` or `neurons`.

    Raises:
        UnknownNameError: if there is no such kind.
    """
    target, edit = Target.of(model), EDITS.load(kind)
    found = []
    for layer in target.layers():
        with suppress(UsageError):
            found.append((layer, edit.row(target, layer)))
    return found


def _parse(text: str) -> Edit:
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        raise UsageError(
            f"{text!r} is no edit; write KIND:WHERE or KIND:WHERE=HOW, such as layers:12 or "
            f"heads:5.3=mean, with one of the kinds {', '.join(EDITS.names())}."
        )
    where, equals, how = rest.partition("=")
    edit: Edit = EDITS.load(kind).parse(where, how if equals else None)
    return edit
