"""How far back or ahead each head looks: mean distance, and the share of the nearest tokens."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.attention import WithinStack
from cortexscope.metrics.base.means import MeanOverSampledRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionSample

__all__ = [
    "AttentionDistance",
    "AttentionDistanceRelative",
    "AttentionDistanceWithoutSink",
    "AttentionLocalMass",
]

_VIG = "Vig & Belinkov 2019, Analyzing the structure of attention in a transformer language model"

_LEAST = 1e-6
"""Attention outside of the first token below which a row says nothing about the rest."""


class AttentionDistance(WithinStack[AttentionSample], MeanOverSampledRows):
    """Return the mean over query rows of sum_j p_ij |i - j| in tokens, per layer and head.

    Attention to oneself has 0, to the token before 1; even causal attention in row i has i / 2, so
    that it grows with length: attention_distance_relative does not by construction.
    What is on a learned sink adds nothing. A head with a sink on the first token seems to look far
    back: see attention_distance_without_sink.
    """

    spec = MetricSpec(
        name="attention_distance",
        title="Attention distance",
        unit="tokens",
        axes=("layer", "head"),
        bounds=(0.0, None),
        needs=("attention.rows",),
        definition="Mean over query rows i of the sum over keys j of p_ij |i - j|.",
        source=_VIG,
        group="attention",
        sampled=True,
    )

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the expected distances of the rows."""
        return seen.distance


class AttentionDistanceWithoutSink(WithinStack[AttentionSample], MeanOverSampledRows):
    """Return the mean distance in tokens of attention outside of the first token.

    Per layer and head: the first token's key is taken out of each row and what is left divided by
    its sum; rows that leave less than 1e-6, as the first one of causal attention does, do not
    count. Attention half on the first token and half on oneself has 0; half on it and half on the
    token before 1, whatever the length.
    """

    spec = MetricSpec(
        name="attention_distance_without_sink",
        title="Attention distance without the first token",
        unit="tokens",
        axes=("layer", "head"),
        bounds=(0.0, None),
        needs=("attention.rows",),
        definition="Mean over query rows i with at least 1e-6 of their attention on keys j other "
        "than the first token of the sum of p_ij |i - j| over the sum of p_ij, over these keys.",
        source=f"cortexscope, after {_VIG}",
        group="attention",
        sampled=True,
    )
    undefined = "no query row attends to anything but the first token"

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the expected distances of the rows."""
        mass, distance = seen.without_first
        return distance / mass

    def keep(self, seen: AttentionSample) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows that leave something."""
        mass, _ = seen.without_first
        return mass >= _LEAST


class AttentionDistanceRelative(WithinStack[AttentionSample], MeanOverSampledRows):
    """Return the mean of each row's distance over that of even attention, per layer and head.

    Even attention is over the keys that the row can see; rows that see one key do not count. Even
    attention has 1 at any length and in any window, attention to oneself 0, causal attention to
    the first token 2.
    """

    spec = MetricSpec(
        name="attention_distance_relative",
        title="Attention distance, relative",
        unit="share of even attention's",
        axes=("layer", "head"),
        bounds=(0.0, None),
        needs=("attention.rows",),
        definition="Mean over query rows i with at least two visible keys of the sum over keys j "
        "of p_ij |i - j| over the mean of |i - j| over the keys that the row can see.",
        source=f"cortexscope, after {_VIG}",
        group="attention",
        sampled=True,
    )
    undefined = "no query row sees two keys"

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the ratios of the rows."""
        return seen.distance / seen.even_distance

    def keep(self, seen: AttentionSample) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows that see two keys or more."""
        return seen.counts >= 2


class AttentionLocalMass(WithinStack[AttentionSample], MeanOverSampledRows):
    """Return the mean probability on the nearest tokens, |i - j| < window, per layer and head.

    The window is the option `window`, 16 tokens unless it is set: the query's own and the 15
    before it, and as many after it where attention looks ahead. Attention to oneself gives 1, even
    causal attention in row 63 (the 64th token) 16 / 64 = 0.25.
    """

    spec = MetricSpec(
        name="attention_local_mass",
        title="Attention on the nearest tokens",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.rows",),
        definition="Mean over query rows i of the attention on keys j with |i - j| below the "
        "window (option window, 16).",
        source="cortexscope",
        group="attention",
        sampled=True,
    )

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the mass near each row's own token."""
        return seen.within(self.options.window)
