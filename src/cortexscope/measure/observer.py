"""Let metrics watch a tap, and finish what they make of each batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from cortexscope.interventions import Removed
from cortexscope.measure._outside import bounded_output, is_outside, reason, sentence
from cortexscope.measure._sums import Columns, Shelf
from cortexscope.measure._transfer import at_home
from cortexscope.measure._without import without
from cortexscope.measure.memory import ran_out
from cortexscope.metrics.base.contract import check_column, check_shape, check_sums
from cortexscope.metrics.base.means import Mean
from cortexscope.metrics.base.metric import Known, Layout, Metric, Seen, Values, sampled
from cortexscope.metrics.base.plugins import failure
from cortexscope.metrics.base.pooled import OverPrompts
from cortexscope.metrics.base.states import State
from cortexscope.models import Anatomy, Block
from cortexscope.records import Site, Stack
from cortexscope.taps import Unread, kind_of

__all__ = ["Finished", "Lengths", "Observer", "Result", "layout_of", "needs_of"]

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
    failed: Mapping[str, str]
    """Which metrics of plug-ins failed, with a sentence on how; their values are undefined, and a
    pool that they fill is not there."""


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
        spares: let the others go on where a metric of a plug-in fails, which is an error otherwise.
            While memory is short, it is one all the same: a smaller batch may help.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        anatomy: Anatomy,
        deliver: Callable[[Finished], None],
        *,
        spares: bool = False,
    ) -> None:
        self._metrics = metrics
        self._outside = frozenset(metric for metric in metrics if is_outside(metric))
        # What several metrics keep alike is kept once, by one of cortexscope's own if there is one.
        kept = [metric for metric in metrics if isinstance(metric, OverPrompts)]
        pools = {m.pool.name: m for m in sorted(reversed(kept), key=self._own)}
        self._pools = list(pools.values())
        self._means = [metric for metric in metrics if isinstance(metric, Mean)]
        self._others = [m for m in metrics if not isinstance(m, Mean | OverPrompts)]
        self._anatomy = anatomy
        self._deliver = deliver
        self._spares = spares
        self._told: list[tuple[Site, Seen | Unread]] = []
        self.begin()

    def _own(self, metric: Metric) -> bool:
        return metric not in self._outside

    def begin(self) -> None:
        """Start every metric anew for the prompts of this pass."""
        self._shelf = Shelf()
        self._columns = {m: Columns(self._shelf, per_head=m.per_head) for m in self._means}
        self._lengths: Lengths = {}
        self._unread: dict[str, str] = {}
        self._failed: dict[Metric, BaseException] = {}
        self._states: dict[Metric, State] = {}
        for metric in (*self._others, *self._pools):
            with self._watched(metric):
                self._states[metric] = metric.start()
        self._removed: list[Removed] = []
        self._takers: dict[type, tuple[Metric, ...]] = {}

    def tell(self, site: Site, seen: Seen | Unread) -> None:
        """Have something shown in the next pass, as soon as the stack begins."""
        self._told.append((site, seen))

    def forget(self) -> None:
        """Drop what was told for a pass that did not come about."""
        self._told.clear()

    def stack(self, stack: Stack, tokens: Bool[Tensor, "prompt token"]) -> None:
        """Note how long the prompts are for a stack."""
        self._lengths[stack] = tokens.sum(-1).tolist()
        told = [(site, seen) for site, seen in self._told if site.stack == stack]
        self._told = [pair for pair in self._told if pair not in told]
        for site, seen in told:
            self.see(site, seen)

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        """Show what is at a site to every metric that has named it as what it must see."""
        if isinstance(seen, Removed):
            self._removed.append(seen)
            return
        if isinstance(seen, Unread):
            self._unread[seen.need] = seen.reason
            return
        kind = type(seen)
        if kind not in self._takers:
            self._takers[kind] = tuple(
                metric
                for metric in (*self._columns, *self._states)
                if any(kind_of(need) is kind for need in metric.spec.needs)
            )
        metrics = iter(self._takers[kind])
        at: Metric | None = None
        # What fails is left out, and the loop goes on behind it.
        while True:
            try:
                for at in metrics:
                    if at in self._outside:
                        with bounded_output():
                            self._show(at, site, seen)
                    else:
                        self._show(at, site, seen)
                return
            except (Exception, SystemExit) as error:
                assert at is not None
                self._fail(at, error)

    def _show(self, metric: Metric, site: Site, seen: Seen) -> None:
        shown = sampled(metric.spec, seen)
        if isinstance(metric, Mean):
            column = metric.column(site, shown)
            if column is not None:
                if metric in self._outside:
                    check_column(metric, *column)
                self._columns[metric].take(site, *column)
            return
        before = self._states[metric]
        state = metric.update(before, site, shown)
        sums = state.get(site)
        if sums is not None and sums is not before.get(site):
            if metric in self._outside:
                check_sums(metric, sums, self._prompts)
            state = {**state, site: {name: self._shelf.keep(own) for name, own in sums.items()}}
        self._states[metric] = state

    @property
    def _prompts(self) -> int:
        return len(next(iter(self._lengths.values()), ()))

    def _fail(self, metric: Metric, error: BaseException) -> None:
        """Leave a metric out of this pass.

        Raises:
            BaseException: if it is to end the pass instead.
        """
        if self._spares and self._prompts > 1 and ran_out(error):
            raise error
        if not self._spares or metric not in self._outside:
            raise failure(metric.spec.name, error) from error
        self._failed[metric] = error
        self._takers.clear()
        self._columns.pop(metric, None)  # type: ignore[call-overload]
        self._states.pop(metric, None)

    @contextmanager
    def _watched(self, metric: Metric) -> Iterator[None]:
        try:
            with bounded_output() if metric in self._outside else nullcontext():
                yield
        except (Exception, SystemExit) as error:
            self._fail(metric, error)

    def end(self) -> None:
        """Finish every metric and hand over what was measured."""
        layout = replace(
            layout_of(self._anatomy, self._lengths),
            unread=self._unread,
            removed=tuple(self._removed),
        )
        results: list[Result] = []
        for metric in self._metrics:
            if isinstance(metric, OverPrompts):
                continue
            with self._watched(metric):
                if metric not in self._failed:
                    results.append((metric, self._finished(metric, layout)))
            if metric in self._failed:
                results.append((metric, self._undefined(metric)))
        finished = Finished(
            results=at_home(results),
            lengths=self._lengths,
            pooled={m.pool.name: self._states[m] for m in self._pools if m in self._states},
            layout=layout,
            failed={m.spec.name: sentence(m, error) for m, error in self._failed.items()},
        )
        self.begin()
        self._deliver(finished)

    def _finished(self, metric: Metric, layout: Layout) -> list[Values]:
        state = self._columns[metric].state() if isinstance(metric, Mean) else self._states[metric]
        values = list(metric.compute(_on_one_device(state), layout))
        for found in values if metric in self._outside else ():
            check_shape(metric, found, self._prompts)
        return [without(layout.removed, metric.spec, found) for found in values]

    def _undefined(self, metric: Metric) -> list[Values]:
        why = reason(self._failed[metric])
        return [Values((Site.whole(stack),), None, why) for stack in self._lengths]


def _on_one_device(state: State) -> State:
    """Return the state as it is, or on the CPU where the layers of a model lie apart."""
    if len({value.device for sums in state.values() for value in sums.values()}) <= 1:
        return state
    return {
        site: {name: value.cpu() for name, value in sums.items()} for site, sums in state.items()
    }
