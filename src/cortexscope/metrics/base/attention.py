"""What several metrics of attention share: which stacks they are about, and yes or no a head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from cortexscope.metrics.base.absent import Absent
from cortexscope.metrics.base.means import Mean, MeanOverRows
from cortexscope.metrics.base.metric import Layout, Seen, Values
from cortexscope.metrics.base.states import State
from cortexscope.records import Site

__all__ = ["NO_KEY_OF_A_TOKEN", "FlagOverRows", "WithinStack"]

S = TypeVar("S", bound=Seen)

NO_KEY_OF_A_TOKEN = Absent(
    "no attention layers",
    "no softmax attention in this layer",
    "the attention of this layer shows no softmax with a place for every token",
)
"""For what must know which token a key is."""


class WithinStack(Mean[S]):
    """A metric of attention among the tokens of one text: cross-attention has a reason.

    To be named before the class that it adds to.
    """

    absent = NO_KEY_OF_A_TOKEN
    across: ClassVar[str] = "the keys are tokens of another text, which lie at no distance"

    def column(self, site: Site, seen: Seen) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """Leave out attention to another stack."""
        return None if site.stack == "cross" else super().column(site, seen)

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return the stacks without cross-attention."""
        return tuple(sites for sites in super().stacks(layout) if sites[0].stack != "cross")

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, and say why cross-attention has no value."""
        yield from super().compute(state, layout)
        if any(sites[0].stack == "cross" for sites in layout.attention):
            yield Values((Site.whole("cross"),), None, self.across)


class FlagOverRows(MeanOverRows):
    """A metric that is 1 where the mean over a head's rows has a property, else 0."""

    @abstractmethod
    def holds(self, mean: Tensor) -> Tensor:
        """Return where the property holds."""

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, and judge what is a number."""
        for found in super().compute(state, layout):
            mean = found.values
            if mean is not None:
                flag = self.holds(mean).to(mean.dtype)
                found = replace(found, values=torch.where(mean.isfinite(), flag, mean))
            yield found
