"""How sure each head is: the largest probability that it puts on a key."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.means import MeanOverSampledRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionSample

__all__ = ["AttentionMaxProbability"]


class AttentionMaxProbability(MeanOverSampledRows):
    """Return the mean over query rows of max_j p_ij, per layer and head.

    Attention to one key has 1, even attention to n keys 1 / n. A sink makes a head seem sure:
    read it beside attention_first_token_mass. A learned sink is no key. It falls with length by
    construction: early rows see few keys, the first causal row one.
    """

    spec = MetricSpec(
        name="attention_max_probability",
        title="Largest attention",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.rows",),
        definition="Mean over query rows of the largest probability that the row puts on a key.",
        source="Voita et al. 2019, Analyzing multi-head self-attention",
        group="attention",
        sampled=True,
    )

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the largest probability of the rows."""
        return seen.largest
