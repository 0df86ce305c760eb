"""Mean of the hidden states' entries, signed and not, layer by layer."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.means import MeanOverStates
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["ResidualMean", "ResidualMeanAbs"]


class ResidualMean(MeanOverStates):
    """Return the mean of all entries of the hidden states, with their signs, per layer 0..L.

    In the units of the hidden states. A state of all ones has mean 1; one of entries 3 and -1 in
    turn has mean 1 too.
    """

    spec = MetricSpec(
        name="residual_mean",
        title="Mean entry",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(None, None),
        needs=("hidden",),
        definition="Mean of the hidden state's entries over tokens and features, before the final "
        "norm.",
        source="cortexscope",
        group="magnitude",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the mean of each token's entries."""
        return seen.sums / seen.width


class ResidualMeanAbs(MeanOverStates):
    """Return the mean |h| of all entries of the hidden states, per layer 0..L.

    In the units of the hidden states. A state of all ones has 1; one of entries 3 and -1 in turn
    has 2.
    """

    spec = MetricSpec(
        name="residual_mean_abs",
        title="Mean size of an entry",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Mean |h| of the hidden state's entries over tokens and features, before the "
        "final norm.",
        source="cortexscope",
        group="magnitude",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the mean size of each token's entries."""
        return seen.sizes / seen.width
