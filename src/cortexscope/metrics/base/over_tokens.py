"""Metrics of all tokens of a prompt at once, which are no mean of one number a token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.absent import NO_NEURONS, NO_STATES, Absent
from cortexscope.metrics.base.means import quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values, not_finite_as_infinity
from cortexscope.metrics.base.states import State, add
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Neurons

__all__ = ["OverTokens", "OverTokensOfNeurons", "where"]


class OverTokens(Metric):
    """A metric per layer, computed of all hidden states of a prompt at once.

    `undefined` is the reason where a prompt has none.
    """

    undefined: ClassVar[str] = "no tokens"
    absent: ClassVar[Absent] = NO_STATES
    kind: ClassVar[type[HiddenStates]] = HiddenStates

    @abstractmethod
    def value(self, seen: HiddenStates) -> Tensor:
        """Return the numbers, [prompt, (part)].

        NaN where undefined, infinite where the states are not finite.
        """

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Keep the numbers of a layer, and which are defined."""
        if type(seen) is not self.kind or site.layer is None:
            return state
        value = self.value(seen).double()
        defined = ~value.isnan()
        tokens = self.looked_at(seen).sum(-1).double()
        sums = {"total": torch.where(defined, value, 0), "count": defined.double()}
        return add(state, site, {**sums, "tokens": tokens})

    def looked_at(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Return the tokens that the numbers are computed of."""
        return seen.tokens

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return the sites that have a value, stack by stack."""
        return layout.hidden

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the sites where something should have been seen."""
        return frozenset()

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Say where there is no number."""
        yield from quotients(
            state,
            self.stacks(layout),
            self.undefined,
            absent=self.absent,
            known=self.known(layout),
        )


class OverTokensOfNeurons(OverTokens):
    """The same of the activations of an MLP's neurons."""

    absent = NO_NEURONS
    kind = Neurons

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return all blocks."""
        return layout.blocks

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the layers that have a dense MLP."""
        return layout.known.neurons


def where(defined: Bool[Tensor, "*shape"], values: Tensor) -> Tensor:
    """Return values with NaN where they are undefined, and there alone."""
    return torch.where(defined, not_finite_as_infinity(values), torch.nan)
