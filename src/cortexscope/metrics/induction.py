"""Which heads copy: attention from a repeated token to its first occurrence, or just after it."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.attention import WithinStack
from cortexscope.metrics.base.means import MeanOverSampledRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionSample

__all__ = ["DuplicateTokenScore", "InductionScore"]

_OLSSON = "Olsson et al. 2022, In-context learning and induction heads"


class _OnRepetition(WithinStack[AttentionSample], MeanOverSampledRows):
    """The mean attention a fixed number of tokens back, on sequences [start?, x1..xn, x1..xn]."""

    across: ClassVar[str] = "the keys are tokens of another text, which repeats nothing"

    together = False

    def half(self, seen: AttentionSample) -> int:
        """Return n; a sequence has a start token where its length is odd."""
        return seen.probabilities.shape[-1] // 2

    def mass(self, seen: AttentionSample, back: int) -> Tensor:
        """Return the probability `back` tokens before each row, the first key's where none is."""
        index = (seen.queries - back).clamp(min=0)[:, None, :, None]
        index = index.expand(*seen.probabilities.shape[:-1], 1)
        return seen.probabilities.gather(-1, index).squeeze(-1)


class InductionScore(_OnRepetition):
    """Return the mean attention on the token after the query's first occurrence, per head.

    Per layer and head, over sequences of a start token, where the model has one, and n random
    tokens that are read twice: the mean of p_i,i-(n-1) over every row i that has such a key, as in
    TransformerLens; the first one or two of these rows are not yet in the repetition. A head that
    looks n - 1 tokens back wherever it can has 1; even causal attention in a row of 60 tokens adds
    1/60.
    """

    spec = MetricSpec(
        name="induction_score",
        title="Induction",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.rows",),
        definition="On random tokens x1..xn read twice, mean over the rows i that have such a key "
        "of the attention n - 1 tokens back, on what followed the token when it came first.",
        source=f"{_OLSSON}; rows as in TransformerLens",
        group="attention",
        replication="sequence",
    )
    undefined = "no token is repeated"

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the attention n - 1 tokens back."""
        return self.mass(seen, self.half(seen) - 1)

    def keep(self, seen: AttentionSample) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows that have a key so far back."""
        return (seen.queries >= self.half(seen) - 1)[:, None]


class DuplicateTokenScore(_OnRepetition):
    """Return the mean attention on the first occurrence of the query's token, per head.

    Per layer and head, over sequences of a start token, where the model has one, and n random
    tokens that are read twice: the mean of p_i,i-n over the n rows of the second reading. A head
    that looks at the same token n before has 1; even causal attention in a row of 60 tokens adds
    1/60.
    """

    spec = MetricSpec(
        name="duplicate_token_score",
        title="Duplicate token",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.rows",),
        definition="On random tokens x1..xn read twice, mean over the rows i of the second reading "
        "of the attention n tokens back, on the same token when it came first.",
        source="after Wang et al. 2022, Interpretability in the wild",
        group="attention",
        replication="sequence",
    )
    undefined = "no token is repeated"

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the attention n tokens back."""
        return self.mass(seen, self.half(seen))

    def keep(self, seen: AttentionSample) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows of the second reading."""
        second = seen.probabilities.shape[-1] - self.half(seen)
        return (seen.queries >= second)[:, None]
