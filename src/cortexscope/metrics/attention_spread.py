"""Over how many keys each head spreads its attention, by the squares of its probabilities."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.means import MeanOverSampledRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionSample

__all__ = ["AttentionCollisionEntropy", "AttentionEffectiveKeys"]


class AttentionCollisionEntropy(MeanOverSampledRows):
    """Return the mean over query rows of -ln sum_j p_ij^2 in nats, per layer and head.

    The Renyi entropy of order 2, never above the Shannon entropy. Attention to one key has 0, even
    attention to n keys ln n, so that it grows with length. A learned sink counts as one more
    outcome, as in attention_entropy.
    """

    spec = MetricSpec(
        name="attention_collision_entropy",
        title="Collision entropy",
        unit="nats",
        axes=("layer", "head"),
        bounds=(0.0, None),
        needs=("attention.rows",),
        definition="Mean over query rows of minus the logarithm of the sum of the row's squared "
        "probabilities, a learned sink being one outcome more.",
        source="Renyi 1961, On measures of entropy and information",
        group="attention",
        sampled=True,
    )

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the collision entropies of the rows."""
        return seen.effective.log()


class AttentionEffectiveKeys(MeanOverSampledRows):
    """Return the mean over query rows of 1 / sum_j p_ij^2, a number of keys, per layer and head.

    Attention to one key has 1, even attention to n keys n, so that it grows with length. A learned
    sink counts as one more key.
    """

    spec = MetricSpec(
        name="attention_effective_keys",
        title="Effective keys",
        unit="keys",
        axes=("layer", "head"),
        bounds=(1.0, None),
        needs=("attention.rows",),
        definition="Mean over query rows of one over the sum of the row's squared probabilities, a "
        "learned sink being one outcome more.",
        source="after Hill 1973, Diversity and evenness: a unifying notation and its consequences",
        group="attention",
        sampled=True,
    )

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the effective keys of the rows."""
        return seen.effective
