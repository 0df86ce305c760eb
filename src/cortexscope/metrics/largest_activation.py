"""The largest entry of a prompt's hidden states: how large, at which token, in which feature."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from cortexscope.metrics.base.metric import not_finite_as_infinity
from cortexscope.metrics.base.over_tokens import OverTokens
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["LargestActivation", "LargestActivationDimension", "LargestActivationToken"]


class LargestActivation(OverTokens):
    """Return the largest |h| of a prompt's hidden states, per layer 0..L.

    In the units of the hidden states. States of all ones have 1; a single entry of -2546.8 among
    smaller ones has 2546.8. A maximum over tokens, it can only grow as a prompt goes on.
    """

    together = True
    spec = MetricSpec(
        name="largest_activation",
        title="Largest entry",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Largest |h| over a prompt's tokens and features, before the final norm.",
        source="Sun et al. 2024, Massive activations in large language models",
        group="magnitude",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the largest size of each prompt."""
        return not_finite_as_infinity(seen.peak.size)


class LargestActivationToken(OverTokens):
    """Return the number of the token whose state has the largest |h|, per layer 0..L.

    Counted from 0 in the prompt, the first where several tokens have it. It is 0 where the first
    token has the largest entry, and 6 where the seventh has. A label: it is counted, not averaged.
    """

    together = True
    spec = replace(
        LargestActivation.spec,
        name="largest_activation_token",
        title="Token of the largest entry",
        unit="token number",
        definition="Number in the prompt, from 0, of the token whose hidden state has the largest "
        "|h|, before the final norm.",
        scale="label",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the token of each prompt."""
        places = seen.peak.place[:, None]
        return seen.positions.ranks.gather(1, places)[:, 0]


class LargestActivationDimension(OverTokens):
    """Return the feature that has the largest |h|, per layer 0..L.

    Counted from 0, the first where several features of that token have it. It is 0 where the first
    feature has the largest entry, and 446 where number 446 has. A label: counted, not averaged.
    """

    together = True
    spec = replace(
        LargestActivation.spec,
        name="largest_activation_dimension",
        title="Feature of the largest entry",
        unit="feature number",
        definition="Number, from 0, of the feature in which a prompt's hidden states have the "
        "largest |h|, before the final norm.",
        scale="label",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the feature of each prompt."""
        return seen.peak.feature
