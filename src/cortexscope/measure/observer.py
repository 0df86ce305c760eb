"""Let metrics watch a tap, and finish what they make of each batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from cortexscope.interventions import Removed
from cortexscope.measure._sums import Columns, Shelf
from cortexscope.measure._transfer import at_home
from cortexscope.measure._without import without
from cortexscope.metrics.base.means import Mean
from cortexscope.metrics.base.metric import Known, Layout, Metric, Seen, Values, sampled
from cortexscope.metrics.base.plugins import failure
from cortexscope.metrics.base.pooled import OverPrompts
from cortexscope.metrics.base.states import State
from cortexscope.models import Anatomy, Block
from cortexscope.records import Site, Stack
from cortexscope.taps import Unread

__all__ = ["Finished", "Lengths", "Observer", "Result", "finish", "layout_of", "needs_of"]

Lengths = dict[Stack, list[int]]
"""Tokens of each prompt of a batch, by the stack that read them."""

Result = tuple[Metric, list[Values]]
"""A metric with its values."""


class Finished(NamedTuple):
    """What was measured of one batch."""

    results: list[Result]
    """Each metric that has a value a prompt."""
    lengths: Lengths
    pooled: Mapping[str, State]
    """What the metrics of whole tasks keep of these prompts, by the name of the pool."""
    layout: Layout


def layout_of(anatomy: Anatomy, ran: Collection[Stack]) -> Layout:
    """Return the sites of the stacks that ran.

    Cross-attention belongs to a decoder that has an encoder; it is no stack with blocks of its own.
    """
    stacks = [stack for stack in anatomy.stacks if stack.name in ran]
    blocks = [
        tuple(Site(stack.name, layer) for layer in range(1, len(stack.blocks) + 1))
        for stack in stacks
    ]
    crossed = [
        tuple(Site("cross", site.layer) for site in sites)
        for stack, sites in zip(stacks, blocks, strict=True)
        if stack.has_cross_attention and len(anatomy.stacks) > 1
    ]
    sites = [
        (block, Site(stack.name, layer))
        for stack in stacks
        for layer, block in enumerate(stack.blocks, start=1)
    ]

    def having(part: Callable[[Block], object]) -> frozenset[Site]:
        return frozenset(site for block, site in sites if part(block))

    attending = having(lambda block: block.attention)
    if crossed:
        looking = having(lambda block: block.cross_attention)
        attending |= {Site("cross", site.layer) for site in looking}
    return Layout(
        known=Known(
            attention=attending,
            experts=having(lambda block: block.experts),
            neurons=having(lambda block: block.neurons),
            mixers=having(lambda block: block.mixers),
        ),
        hidden=tuple((Site(sites[0].stack, 0), *sites) for sites in blocks),
        blocks=tuple(blocks),
        attention=(*blocks, *crossed),
        final=tuple(Site.final(stack.name) for stack in stacks),
    )


def needs_of(metrics: Sequence[Metric]) -> frozenset[str]:
    """Return all that these metrics must see."""
    return frozenset(need for metric in metrics for need in metric.spec.needs)


class Observer:
    """Receives what a tap sees; hands what was measured of each finished batch to `deliver`.

    Args:
        metrics: what to measure.
        anatomy: of the model.
        deliver: takes it.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        anatomy: Anatomy,
        deliver: Callable[[Finished], None],
    ) -> None:
        self._metrics = metrics
        self._means = [metric for metric in metrics if isinstance(metric, Mean)]
        # What several metrics keep alike is kept once.
        pools = {m.pool.name: m for m in reversed(metrics) if isinstance(m, OverPrompts)}
        self._pools = list(pools.values())
        self._others = [m for m in metrics if not isinstance(m, Mean | OverPrompts)]
        self._anatomy = anatomy
        self._deliver = deliver
        self._told: list[tuple[Site, Seen | Unread]] = []
        self.begin()

    def begin(self) -> None:
        """Start every metric anew for the prompts of this pass."""
        self._shelf = Shelf()
        self._columns = [Columns(self._shelf, per_head=m.per_head) for m in self._means]
        kept = (*self._others, *self._pools)
        self._states: dict[Metric, State] = {metric: metric.start() for metric in kept}
        self._lengths: Lengths = {}
        self._unread: dict[str, str] = {}
        self._removed: list[Removed] = []

    def tell(self, site: Site, seen: Seen | Unread) -> None:
        """Have something shown in the next pass, as soon as the stack begins."""
        self._told.append((site, seen))

    def stack(self, stack: Stack, tokens: Bool[Tensor, "prompt token"]) -> None:
        """Note how long the prompts are for a stack."""
        self._lengths[stack] = tokens.sum(-1).tolist()
        told = [(site, seen) for site, seen in self._told if site.stack == stack]
        self._told = [pair for pair in self._told if pair not in told]
        for site, seen in told:
            self.see(site, seen)

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        """Show what is at a site to every metric."""
        if isinstance(seen, Removed):
            self._removed.append(seen)
            return
        if isinstance(seen, Unread):
            self._unread[seen.need] = seen.reason
            return
        at: Metric | None = None
        try:
            for mean, columns in zip(self._means, self._columns, strict=True):
                at = mean
                column = mean.column(site, sampled(mean.spec, seen))
                if column is not None:
                    columns.take(site, *column)
            for metric, before in self._states.items():
                at = metric
                state = metric.update(before, site, sampled(metric.spec, seen))
                sums = state.get(site)
                if sums is not None and sums is not before.get(site):
                    kept = {name: self._shelf.keep(value) for name, value in sums.items()}
                    state = {**state, site: kept}
                self._states[metric] = state
        except (Exception, SystemExit) as error:
            assert at is not None
            raise failure(at.spec.name, error) from error

    def end(self) -> None:
        """Finish every metric and hand over what was measured."""
        layout = replace(
            layout_of(self._anatomy, self._lengths),
            unread=self._unread,
            removed=tuple(self._removed),
        )
        states: dict[Metric, State] = dict(self._states)
        for mean, columns in zip(self._means, self._columns, strict=True):
            with _named(mean):
                states[mean] = columns.state()
        results = [
            (metric, finish(metric, _on_one_device(states[metric]), layout))
            for metric in self._metrics
            if metric in states and metric not in self._pools
        ]
        finished = Finished(
            results=at_home(results),
            lengths=self._lengths,
            pooled={metric.pool.name: self._states[metric] for metric in self._pools},
            layout=layout,
        )
        self.begin()
        self._deliver(finished)


def finish(metric: Metric, state: State, layout: Layout) -> list[Values]:
    """Return a metric's values; a plug-in that fails is named."""
    with _named(metric):
        return [without(layout.removed, metric.spec, x) for x in metric.compute(state, layout)]


@contextmanager
def _named(metric: Metric) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        raise failure(metric.spec.name, error) from error


def _on_one_device(state: State) -> State:
    """Return the state as it is, or on the CPU where the layers of a model lie apart."""
    if len({value.device for sums in state.values() for value in sums.values()}) <= 1:
        return state
    return {
        site: {name: value.cpu() for name, value in sums.items()} for site, sums in state.items()
    }
