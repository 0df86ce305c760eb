"""Metrics that are the mean of one number a token, a row of attention, or a routed token.

They are read in one go: the numbers of many layers are kept side by side and summed together.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Generic, TypeVar, cast

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.absent import (
    NO_ATTENTION,
    NO_EXPERTS,
    NO_NEURONS,
    NO_STATES,
    NO_UPDATES,
    Absent,
)
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values, not_finite_as_infinity
from cortexscope.metrics.base.states import State, Sums, add, side_by_side, total
from cortexscope.records import Site
from cortexscope.taps import (
    AttentionRows,
    AttentionSample,
    HiddenStates,
    Neurons,
    Routing,
    Update,
)

__all__ = [
    "Mean",
    "MeanOverNeurons",
    "MeanOverRoutes",
    "MeanOverRows",
    "MeanOverSampledRows",
    "MeanOverStates",
    "MeanOverUpdates",
    "quotients",
    "summed",
]

S = TypeVar("S", bound=Seen)


class Mean(Metric, Generic[S]):
    """The mean of one number of a kind.

    `undefined` is the reason where a prompt has nothing to take the mean of.
    """

    undefined: ClassVar[str] = "no tokens"
    absent: ClassVar[Absent]
    per_head: ClassVar[bool] = False

    @abstractmethod
    def takes(self, site: Site, seen: Seen) -> bool:
        """Return whether what is seen is what the metric is about."""

    @abstractmethod
    def value(self, seen: S) -> Tensor | None:
        """Return the numbers, [prompt, (head,) token]; None if they are not to be had."""

    def keep(self, seen: S) -> Bool[Tensor, "prompt *head token"] | None:
        """Return which numbers count; all that belong to a token where None."""
        return None

    def column(self, site: Site, seen: Seen) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """Return the numbers, which positions hold tokens, and which numbers count if not all."""
        if not self.takes(site, seen):
            return None
        value = self.value(cast("S", seen))
        return None if value is None else (value, seen.tokens, self.keep(cast("S", seen)))

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the total and the count of a layer."""
        column = self.column(site, seen)
        return (
            state if column is None else add(state, site, summed(*column, per_head=self.per_head))
        )

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return the sites that have a value, stack by stack."""
        return layout.blocks

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the sites where something should have been seen."""
        return frozenset()

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer."""
        yield from quotients(
            state,
            self.stacks(layout),
            self.undefined,
            absent=self.absent,
            known=self.known(layout),
        )


def summed(values: Tensor, tokens: Tensor, keep: Tensor | None, *, per_head: bool) -> Sums:
    """Return total and count over the last axis, in float64.

    Args:
        values: [*site, prompt, (head,) token].
        tokens: which positions hold tokens, [prompt, token].
        keep: which values count, broadcast to them; all that belong to a token where None.
        per_head: whether values have the axis of heads.
    """
    counted = tokens.unsqueeze(1) if per_head else tokens
    counted = counted if keep is None else counted & keep
    return {"total": total(values, counted), "count": counted.sum(-1).double()}


class MeanOverStates(Mean[HiddenStates]):
    """A metric per layer: the mean of one number a token of the hidden states."""

    together = True
    absent = NO_STATES

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take hidden states of layers."""
        return type(seen) is HiddenStates and site.layer is not None

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return all layers, the embedding output first."""
        return layout.hidden


class MeanOverNeurons(Mean[Neurons]):
    """A metric per layer: the mean of one number a token of the MLP's neurons."""

    together = True
    absent = NO_NEURONS

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take activations of neurons."""
        return isinstance(seen, Neurons)

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the layers that have a dense MLP."""
        return layout.known.neurons


class MeanOverUpdates(Mean[Update]):
    """A metric per layer: the mean of one number a token of what one branch adds.

    `part` says which branch.
    """

    together = True
    absent = NO_UPDATES
    part: ClassVar[str]

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take the updates of the branch."""
        return isinstance(seen, Update) and seen.part == self.part


class MeanOverRows(Mean[AttentionRows]):
    """A metric per layer and head: the mean of one number a query row of the attention."""

    together = True
    absent = NO_ATTENTION
    per_head = True

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take statistics of attention rows."""
        return isinstance(seen, AttentionRows)

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return all blocks, cross-attention as a stack of its own."""
        return layout.attention

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the layers that attend by structure."""
        return layout.known.attention


class MeanOverSampledRows(Mean[AttentionSample]):
    """A metric per layer and head: the mean of one number a whole row, of the sample's queries."""

    together = True
    absent = NO_ATTENTION
    per_head = True

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take whole rows of attention."""
        return isinstance(seen, AttentionSample)

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return all blocks, cross-attention as a stack of its own."""
        return layout.attention

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the layers that attend by structure."""
        return layout.known.attention


class MeanOverRoutes(Mean[Routing]):
    """A metric per layer: the mean of one number a routed token."""

    absent = NO_EXPERTS

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take what a router said."""
        return isinstance(seen, Routing)

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the layers that have experts."""
        return layout.known.experts


def quotients(
    state: State,
    stacks: Iterable[Sequence[Site]],
    undefined: str,
    *,
    absent: Absent,
    known: frozenset[Site] = frozenset(),
) -> Iterator[Values]:
    """Yield `total / count` at each site; one value for all of a stack where nothing was seen.

    Args:
        state: with `total` and `count` at the sites that were seen; the count is one of tokens,
            unless `tokens` is there too.
        stacks: the sites, stack by stack.
        undefined: why a count may be zero.
        absent: why a site may not have been seen.
        known: sites where something should have been seen.
    """
    for sites in stacks:
        seen = [*side_by_side(state, sites)]
        if not seen and known.isdisjoint(sites):
            yield Values((Site.whole(sites[0].stack),), None, absent.anywhere)
            continue
        for alike, sums in seen:
            total, count = sums["total"], sums["count"]
            tokens = sums.get("tokens", count)
            count = count.reshape(*count.shape, *(1,) * (total.dim() - count.dim()))
            value = not_finite_as_infinity(total / count.clamp(min=1))
            value = value.masked_fill_(count == 0, torch.nan)
            yield Values(alike, value, undefined, tokens=tokens)
        there = {site for block in seen for site in block.sites}
        if len(there) < len(sites):
            for site in sites:
                if site not in there:
                    reason = absent.unread if site in known else absent.here
                    yield Values((site,), None, reason)
