"""Metrics of what a model predicts: means over tokens, and why there may be none."""

from __future__ import annotations

from collections.abc import Iterator

from cortexscope.metrics.base.absent import Absent
from cortexscope.metrics.base.means import Mean, quotients
from cortexscope.metrics.base.metric import Layout, Seen, Values
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import LayerPredictions, Predictions

__all__ = ["MeanOverLayerPredictions", "MeanOverPredictions", "why_unread"]

_UNREAD = "the model's head was not read"


def why_unread(spec: MetricSpec, layout: Layout) -> Absent:
    """Return why a metric's predictions were not seen."""
    reasons = (layout.unread[need] for need in spec.needs if need in layout.unread)
    reason = next(reasons, _UNREAD)
    return Absent(reason, reason, reason)


class MeanOverPredictions(Mean[Predictions]):
    """A metric of the model: the mean of one number a token of what is predicted there."""

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take predictions."""
        return isinstance(seen, Predictions)

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide; the only site is that of the stack which the model's head reads."""
        stacks = (layout.final[-1:],)
        absent = why_unread(self.spec, layout)
        yield from quotients(state, stacks, self.undefined, absent=absent)


class MeanOverLayerPredictions(Mean[LayerPredictions]):
    """A metric per layer: the mean of one number a token of what the layer would predict."""

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take predictions of layers."""
        return isinstance(seen, LayerPredictions)

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer, in the stack that the model's head reads."""
        absent = why_unread(self.spec, layout)
        yield from quotients(state, layout.hidden[-1:], self.undefined, absent=absent)
