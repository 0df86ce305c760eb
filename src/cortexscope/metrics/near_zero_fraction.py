"""Share of hidden-state entries that are close to zero, layer by layer."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics._means import MeanOverStates
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["NearZeroFraction"]


class NearZeroFraction(MeanOverStates):
    """Return the share of entries with |h| below the threshold, per layer 0..L.

    A state of zeros has share 1; standard normal entries have share 0.008 at threshold 0.01. The
    threshold is absolute, so that models of different scale cannot be compared by it.
    """

    spec = MetricSpec(
        name="near_zero_fraction",
        title="Near-zero entries",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Share of hidden-state entries with |h| < 0.01 (the threshold is an option), "
        "over tokens and features, before the final norm.",
        source="cortexscope; the reading of the published study's sparsity that fits its figures",
        group="sparsity",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of near-zero entries of each token."""
        return seen.near_zero(self.options.near_zero).double() / seen.width
