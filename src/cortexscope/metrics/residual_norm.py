"""Length of the residual stream, layer by layer."""

from __future__ import annotations

from cortexscope.metrics._metric import MeanOverStates
from cortexscope.metrics._states import Sums, total
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["ResidualNorm"]


class ResidualNorm(MeanOverStates):
    """Return the mean l2 norm of the tokens' hidden states, per layer 0..L.

    In the units of the hidden states. A state of all ones in d features has norm sqrt(d); a state
    of all zeros has norm 0. Taken before the final norm.
    """

    spec = MetricSpec(
        name="residual_norm",
        title="Residual norm",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Mean over tokens of the l2 norm of the hidden state, before the final norm.",
        source="Heimersheim & Turner 2023, Residual stream norms grow exponentially",
    )

    def sums(self, seen: HiddenStates) -> Sums:
        """Sum the norms of all tokens."""
        return {
            "total": total(seen.norms, seen.tokens),
            "count": seen.tokens.sum(-1).double(),
        }
