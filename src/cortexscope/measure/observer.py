"""Let metrics watch a tap, and finish what they make of each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import NamedTuple, cast

from jaxtyping import Bool
from torch import Tensor

from cortexscope.interventions import Removed
from cortexscope.measure._layers import Gathering, Shown
from cortexscope.measure._outside import bounded_output, is_outside, reason, sentence
from cortexscope.measure._shelf import Shelf
from cortexscope.measure._transfer import at_home, copied, on_one_device
from cortexscope.measure._without import without
from cortexscope.measure.layout import layout_of
from cortexscope.measure.memory import ran_out
from cortexscope.metrics.base.contract import check_column, check_shape, check_sums
from cortexscope.metrics.base.means import Mean, summed
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values, sampled
from cortexscope.metrics.base.plugins import failure
from cortexscope.metrics.base.pooled import OverPrompts
from cortexscope.metrics.base.states import Block, State, add, beside
from cortexscope.models import Anatomy
from cortexscope.records import Site, Stack
from cortexscope.taps import Reduced, Unread, kind_of

__all__ = ["Finished", "Lengths", "Observer", "Result", "needs_of"]

Lengths = dict[Stack, list[int]]
"""Tokens of each prompt of a batch, by the stack that read them."""

Result = tuple[Metric, list[Values]]
"""A metric with its values."""


class _Takers(NamedTuple):
    """Who sees what there is of a kind."""

    alone: tuple[Metric, ...]
    """Layer by layer."""
    together: tuple[Metric, ...]
    """Several layers as one."""
    sampled: tuple[Metric, ...]
    """Likewise, of the tokens that stand for their prompts."""


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
        self._single = [metric for metric in metrics if not isinstance(metric, OverPrompts)]
        self._anatomy = anatomy
        self._deliver = deliver
        self._spares = spares
        self._told: list[tuple[Site, Seen | Unread]] = []
        self._gathering = Gathering(metrics)
        self.begin()

    def _own(self, metric: Metric) -> bool:
        return metric not in self._outside

    def begin(self) -> None:
        """Start every metric anew for the prompts of this pass."""
        self._shelf = Shelf()
        self._gathering.rest()
        self._lengths: Lengths = {}
        self._unread: dict[str, str] = {}
        self._failed: dict[Metric, BaseException] = {}
        self._states: dict[Metric, State] = {}
        for metric in (*self._single, *self._pools):
            with self._watched(metric):
                self._states[metric] = metric.start()
        self._removed: list[Removed] = []
        self._takers: dict[type, _Takers] = {}

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
        takers = self._takers_of(type(seen))
        self._show(takers.alone, site, seen)
        if not isinstance(seen, Reduced):
            return
        sample = getattr(seen, "sample", seen) if takers.sampled else seen
        if sample is seen:
            self._gather("every", takers.together + takers.sampled, site, seen)
        else:
            self._gather("whole", takers.together, site, seen)
            self._gather("sample", takers.sampled, site, sample)

    def _takers_of(self, kind: type) -> _Takers:
        if kind not in self._takers:
            every = [
                metric
                for metric in self._states
                if any(kind_of(need) is kind for need in metric.spec.needs)
            ]
            as_one = [m for m in every if m.together and m not in self._outside]
            self._takers[kind] = _Takers(
                alone=tuple(m for m in every if m not in as_one),
                together=tuple(m for m in as_one if not m.spec.sampled),
                sampled=tuple(m for m in as_one if m.spec.sampled),
            )
        return self._takers[kind]

    def _show(self, metrics: Sequence[Metric], site: Site, seen: Seen) -> None:
        """Show what is at a site; a metric that fails is left out, and the others go on."""
        left = iter(metrics)
        at: Metric | None = None
        while True:
            try:
                for at in left:
                    if at in self._outside:
                        with bounded_output():
                            self._update(at, site, sampled(at.spec, seen))
                    else:
                        self._update(at, site, sampled(at.spec, seen))
                return
            except (Exception, SystemExit) as error:
                assert at is not None
                self._fail(at, error)

    def _update(self, metric: Metric, site: Site, shown: Seen) -> None:
        before, outside = self._states[metric], metric in self._outside
        if isinstance(metric, Mean):
            column = metric.column(site, shown)
            if column is None:
                return
            if outside:
                check_column(metric, *column)
            state = add(before, site, summed(*column, per_head=metric.per_head))
        else:
            state = metric.update(before, site, shown)
        sums = state.get(site)
        if sums is not None and sums is not before.get(site):
            if outside:
                check_sums(metric, sums, self._prompts)
            state = {**state, site: {name: self._shelf.keep(own) for name, own in sums.items()}}
        self._states[metric] = state

    def _gather(self, which: str, metrics: Sequence[Metric], site: Site, seen: Reduced) -> None:
        if not metrics:
            return
        # What a metric takes of a kind may depend on the stack, and on whether a block gave it.
        role = (which, type(seen).__name__, site.stack, site.layer and 1)
        shown = self._gathering.add(role, metrics, site, seen)
        if shown is None:
            return
        self._show_as_one(shown)

    def _show_as_one(self, shown: Shown, *, last: bool = False) -> None:
        """Show layers as one; no tensors of a layer follow that are made to be last."""
        sites = tuple(shown.sites)
        for metric in shown.metrics:
            with self._watched(metric):
                sums = metric.update({}, sites[0], cast("Seen", shown.seen)).get(sites[0])
                if sums is None:
                    continue
                kept = {
                    name: (own if last else self._shelf.keep(own)).unflatten(0, (len(sites), -1))
                    for name, own in sums.items()
                }
                self._states[metric] = beside(self._states[metric], Block(sites, kept))
        self._gathering.learn(shown)

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
        for shown in self._gathering.rest():
            self._show_as_one(shown, last=True)
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
        values = list(metric.compute(on_one_device(self._states[metric]), layout))
        if metric in self._outside:
            for found in values:
                check_shape(metric, found, self._prompts)
            values = list(map(copied, values))
        return [without(layout.removed, metric.spec, found) for found in values]

    def _undefined(self, metric: Metric) -> list[Values]:
        why = reason(self._failed[metric])
        return [Values((Site.whole(stack),), None, why) for stack in self._lengths]
