"""Small activations set to zero before every matrix of a block, as TEAL does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from cortexscope.errors import UsageError
from cortexscope.interventions import _hooks as hooks
from cortexscope.interventions._amount import Amount
from cortexscope.interventions._edit import Edit
from cortexscope.interventions._gathering import Sizes
from cortexscope.interventions._matrices import Group
from cortexscope.interventions._reading import Readings, Wanted
from cortexscope.interventions._target import Target

__all__ = ["Threshold"]


@dataclass(frozen=True, slots=True)
class Threshold(Edit):
    """Sets activations with |x| below a threshold to zero in what matrices read.

    These are the inputs of q, k and v, of the output matrix, of gate and up, and of the down
    projection (TEAL: arXiv 2408.14690). The threshold is a number for all of them, or a share: then
    each matrix has its own, below which that share of its inputs lies over reference prompts.
    """

    kind: ClassVar[str] = "threshold"

    group: Group
    amount: Amount

    @classmethod
    def parse(cls, where: str, how: str | None) -> Threshold:
        """Return the threshold that a user typed, for all layers where none is named."""
        group, text = (Group(), where) if how is None else (Group.parse(where), how)
        amount = Amount.parse(text)
        if amount is None or not amount.value >= 0 or (amount.share and amount.value >= 1):
            raise UsageError(
                f"The threshold {text!r} is none; write a size such as threshold:0.01, or a share "
                "below 100 % such as threshold:40%."
            )
        return cls(group, amount)

    @classmethod
    def parts(cls, target: Target) -> Iterator[Threshold]:
        """Yield nothing: a threshold is no part of a model."""
        yield from ()

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return self.group.first_layer

    def __str__(self) -> str:
        front = "" if self.group == Group() else f"{self.group}="
        return f"{self.kind}:{front}{self.amount}"

    def check(self, target: Target) -> None:
        """Refuse layers that have none of these matrices, or experts in their place."""
        self.group.matrices(target, mixers=False)

    def wanted(self, target: Target) -> Mapping[str, Wanted]:
        """Return the sizes of what each matrix reads, where a share is asked for."""
        if not self.amount.share:
            return {}
        return {
            one.path: Wanted(one.path, "input", "sizes")
            for one in self.group.matrices(target, mixers=False)
        }

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Cut what each of them reads."""
        for one in self.group.matrices(target, mixers=False):
            size = self.amount.value
            if self.amount.share:
                size = Sizes.below(readings[one.path], self.amount.value)
            hooks.before(target.part(one.path), _Cut(size), exits)


class _Cut(hooks.Hook):
    def __init__(self, size: int | float) -> None:
        self._size = size

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        entries = hooks.first_of(args, kwargs)
        if entries is None:
            return None
        zero = torch.zeros((), dtype=entries.dtype, device=entries.device)
        return hooks.given_first(
            args, kwargs, torch.where(entries.abs() < self._size, zero, entries)
        )
