"""Metrics that are the mean of one number a token of a recurrent mixer."""

from __future__ import annotations

from cortexscope.metrics.base.absent import NO_MIXERS
from cortexscope.metrics.base.means import Mean
from cortexscope.metrics.base.metric import Layout, Seen
from cortexscope.records import Site
from cortexscope.taps import Mixing

__all__ = ["MeanOverMixing"]


class MeanOverMixing(Mean[Mixing]):
    """A metric per layer: the mean of one number a token of its recurrent mixer."""

    absent = NO_MIXERS

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take what a recurrent mixer did."""
        return isinstance(seen, Mixing)

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return the layers that have a recurrent mixer."""
        return layout.known.mixers
