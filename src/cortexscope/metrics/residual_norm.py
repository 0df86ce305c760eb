"""Length of the residual stream, layer by layer."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverStates
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["ResidualNorm", "ResidualNormRest"]


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
        group="magnitude",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the norms of all tokens."""
        return seen.norms


class ResidualNormRest(ResidualNorm):
    """Return the mean l2 norm without each prompt's first token, per layer 0..L.

    In the units of the hidden states. States of all ones in d features have sqrt(d); a first state
    a thousand times as long, as many models have, changes nothing.
    """

    undefined = "fewer than two tokens"
    spec = MetricSpec(
        name="residual_norm_rest",
        title="Residual norm after the first token",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Mean over a prompt's tokens after its first of the l2 norm of the hidden "
        "state, before the final norm.",
        source="Heimersheim & Turner 2023, Residual stream norms grow exponentially",
        group="magnitude",
    )

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out each prompt's first token."""
        return seen.rest
