"""How much the states of tokens point the same way, layer by layer."""

from __future__ import annotations

import math

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.over_tokens import OverTokens, where
from cortexscope.metrics.base.pooled import UNIT_SUM, UNIT_SUM_REST, OverPromptsOfLayer
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["CosineAcross", "CosineAcrossRest", "CosineWithin", "CosineWithinRest"]

_SOURCE = "Ethayarajh 2019, How contextual are contextualized word representations?; "


class CosineWithin(OverTokens):
    """Return the mean cosine of the states of two distinct tokens of a prompt, per layer 0..L.

    Over all pairs, without drawing any: (|sum of u|^2 - n) / (n (n - 1)) for n states u of length
    1. A state of zeros has no direction and is left out. States that all point one way give 1, two
    that are at right angles 0. Large where a few features are large in every token.
    """

    together = True
    spec = MetricSpec(
        name="cosine_within",
        title="Cosine of tokens",
        unit="1",
        axes=("layer",),
        bounds=(-1.0, 1.0),
        needs=("hidden",),
        definition="Mean cosine of the hidden states of all pairs of distinct tokens of a prompt, "
        "before the final norm.",
        source=_SOURCE + "over all pairs in place of random ones",
        group="geometry",
    )
    undefined = "fewer than two tokens whose state is not zero"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the mean over all pairs of tokens."""
        return _within(seen.resultant(), seen.unit_weights)


class CosineWithinRest(OverTokens):
    """Return the mean cosine of the states of two distinct tokens without each prompt's first one.

    Else as `cosine_within`: states that all point one way give 1, two that are at right angles 0.
    The first token's state is often many times longer than others and points a way of its own.
    """

    together = True
    spec = MetricSpec(
        name="cosine_within_rest",
        title="Cosine of tokens after the first",
        unit="1",
        axes=("layer",),
        bounds=(-1.0, 1.0),
        needs=("hidden",),
        definition="Mean cosine of the hidden states of all pairs of distinct tokens of a prompt "
        "other than its first, before the final norm.",
        source=_SOURCE + "over all pairs in place of random ones",
        group="geometry",
    )
    undefined = "fewer than two tokens after the first whose state is not zero"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the mean over all pairs of tokens after the first."""
        return _within(seen.resultant(rest=True), seen.unit_weights_rest)

    def looked_at(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out the first token."""
        return seen.rest


def _within(square: Tensor, weights: Tensor) -> Tensor:
    count = (weights != 0).sum(-1).double()
    cosine = (square - count) / (count * (count - 1)).clamp(min=1)
    # Rounding alone takes equal directions above 1.
    return where(count >= 2, cosine.clamp(-1, 1))


class CosineAcross(OverPromptsOfLayer):
    """Return the mean cosine of the states of two tokens of different prompts, per layer 0..L.

    Over all such pairs of a task's prompts: (|sum of U|^2 - sum of |U|^2) / (N^2 - sum of n^2),
    where U is the sum of a prompt's n states, each scaled to length 1, and N the sum of n. States
    that all point one way give 1; prompts whose states are at right angles give 0. Without what
    tokens of one prompt share, it is the anisotropy of the layer.
    """

    spec = MetricSpec(
        name="cosine_across",
        title="Cosine of tokens across prompts",
        unit="1",
        axes=("layer",),
        bounds=(-1.0, 1.0),
        needs=("hidden",),
        definition="Mean cosine of the hidden states of all pairs of tokens of different prompts, "
        "before the final norm.",
        source=_SOURCE + "over all pairs in place of random ones",
        group="geometry",
        cost="high",
        replication="task",
    )
    pool = UNIT_SUM
    undefined = "fewer than two prompts with a state that is not zero"

    def value(self, vectors: Tensor, counts: Tensor) -> float:
        """Return the mean over all pairs of tokens of different prompts."""
        return _across(vectors, counts)


class CosineAcrossRest(OverPromptsOfLayer):
    """Return the mean cosine of tokens of different prompts, without each prompt's first token.

    Else as `cosine_across`: states that all point one way give 1, and prompts whose states are at
    right angles give 0.
    """

    spec = MetricSpec(
        name="cosine_across_rest",
        title="Cosine across prompts after the first token",
        unit="1",
        axes=("layer",),
        bounds=(-1.0, 1.0),
        needs=("hidden",),
        definition="Mean cosine of the hidden states of all pairs of tokens of different prompts, "
        "the first token of each left out, before the final norm.",
        source=_SOURCE + "over all pairs in place of random ones",
        group="geometry",
        cost="high",
        replication="task",
    )
    pool = UNIT_SUM_REST
    undefined = "fewer than two prompts with a state that is not zero after the first token"

    def value(self, vectors: Tensor, counts: Tensor) -> float:
        """Return the mean over all pairs of tokens of different prompts, after the first."""
        return _across(vectors, counts)


def _across(vectors: Tensor, counts: Tensor) -> float:
    pairs = float(counts.sum() ** 2 - counts.square().sum())
    if not pairs:
        return math.nan
    cosine = float(vectors.sum(0).square().sum() - vectors.square().sum()) / pairs
    return min(1.0, max(-1.0, cosine)) if math.isfinite(cosine) else math.inf
