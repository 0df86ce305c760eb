"""Measure passes that read one generated token a prompt, and turn them into rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.interventions import Removed
from cortexscope.measure.observer import Lengths, Observer, Result
from cortexscope.measure.tabulate import PromptRow, tabulate
from cortexscope.metrics.base.metric import Metric, Values
from cortexscope.records import Site, Stack
from cortexscope.taps import Predictions, Receiver, Seen, Unread

__all__ = ["Relay", "StepPass", "StepReceiver", "tabulate_steps"]

_NEVER = {
    "task": "it is of all prompts of a task together, and of no single token",
    "sequence": "it is measured on sequences that are made for it, and on no generated token",
}
"""Why a metric has no value of a generated token, by its unit of replication."""


class Relay:
    """Hands what a tap sees to one receiver at a time."""

    def __init__(self, receiver: Receiver) -> None:
        self.now = receiver

    def begin(self) -> None:
        """Hand over that a pass begins."""
        self.now.begin()

    def stack(self, stack: Stack, tokens: Bool[Tensor, "prompt token"]) -> None:
        """Hand over that a stack begins."""
        self.now.stack(stack, tokens)

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        """Hand over what is at a site."""
        self.now.see(site, seen)

    def end(self) -> None:
        """Hand over that the pass is over."""
        self.now.end()


class StepReceiver:
    """Shows an observer a pass of one token a prompt as part of the text that was read so far.

    The token has its number in that text, so that it is not taken for a first one. As it is known
    what the model made of it before it was read, this is its surprisal: over the prompt's tokens
    and all generated ones each is counted once.

    Args:
        observer: of the metrics that a token can have.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._listens = True
        self._before: Tensor | None = None
        self._surprisal: Tensor | None = None

    def expect(self, before: Int[Tensor, " prompt"], surprisal: Float[Tensor, " prompt"]) -> None:
        """Say of the tokens of the next pass how many come before them, and how surprising."""
        self._before, self._surprisal = before, surprisal

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Take nothing of the passes inside, which are not to be measured."""
        self._listens = False
        try:
            yield
        finally:
            self._listens = True

    def begin(self) -> None:
        """Start every metric anew."""
        if self._listens:
            self._observer.begin()

    def stack(self, stack: Stack, tokens: Bool[Tensor, "prompt token"]) -> None:
        """Note that a stack begins."""
        if self._listens:
            self._observer.stack(stack, tokens)

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        """Show what is at a site to every metric."""
        if not self._listens:
            return
        assert self._before is not None
        assert self._surprisal is not None
        positions = getattr(seen, "positions", None)
        if positions is not None:
            positions.ranks = self._before.to(positions.mask.device)[:, None]
        if isinstance(seen, Predictions):
            surprisal = self._surprisal.to(seen.entropy)[:, None]
            seen = replace(seen, surprisal=surprisal, followed=seen.tokens)
        self._observer.see(site, seen)

    def end(self) -> None:
        """Finish every metric."""
        if self._listens:
            self._observer.end()


class StepPass(NamedTuple):
    """What was measured of one pass."""

    step: int
    """Number of the generated tokens that it read, from 1."""
    prompts: list[PromptRow]
    lengths: Lengths
    """Tokens that each text has with this one, by stack."""
    results: list[Result]
    failed: Mapping[str, str]
    """Which metrics of plug-ins failed, with a sentence on how."""


def tabulate_steps(
    passes: Sequence[StepPass], metrics: Sequence[Metric], *, model: str
) -> Iterator[pa.Table]:
    """Yield the values of each pass over a batch, one value a row.

    What has no value in any of them says so in the first one: a metric that has none in a whole
    stack in one row a prompt.

    Args:
        passes: over a batch, in order.
        metrics: all that were asked for, also those that no token can have.
        model: the label.
    """
    defined = {
        (metric, found.sites)
        for one in passes
        for metric, values in one.results
        for found in values
        if found.values is not None and not bool(found.values.isnan().all())
    }
    somewhere = {(metric, sites[0].stack) for metric, sites in defined}
    for one in passes:
        results = [
            (
                metric,
                values
                if metric.spec.name in one.failed
                else [found for found in values if (metric, found.sites) in defined],
            )
            for metric, values in one.results
        ]
        if one is passes[0]:
            absent = [
                (metric, list(_absent(metric, values, defined, somewhere)))
                for metric, values in one.results
                if metric.spec.name not in one.failed
            ]
            last = list(one.lengths)[-1]
            results += absent + [
                (metric, [Values((Site.whole(last),), None, _NEVER[metric.spec.replication])])
                for metric in metrics
                if metric.spec.replication in _NEVER
            ]
        yield tabulate(
            results, model=model, prompts=one.prompts, lengths=one.lengths, step=one.step
        )


def _absent(
    metric: Metric,
    values: Sequence[Values],
    defined: set[tuple[Metric, tuple[Site, ...]]],
    somewhere: set[tuple[Metric, Stack]],
) -> Iterator[Values]:
    """Yield why a metric has no value at some sites, or in all of a stack."""
    told: set[Stack] = set()
    for found in values:
        stack = found.sites[0].stack
        if (metric, found.sites) in defined or stack in told:
            continue
        if (metric, stack) in somewhere:
            yield Values(found.sites, None, found.reason)
        else:
            told.add(stack)
            yield Values((Site.whole(stack),), None, found.reason)
