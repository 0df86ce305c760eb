"""Which heads look at the token before."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.attention import WithinStack
from cortexscope.metrics.base.means import MeanOverRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionRows

__all__ = ["AttentionPreviousToken"]


class AttentionPreviousToken(WithinStack[AttentionRows], MeanOverRows):
    """Return the mean probability on the token before the query's own, per layer and head.

    Over the query rows after the first, which has none before it. All attention one token back
    gives 1; even causal attention to 3 tokens (1/2 + 1/3) / 2 = 0.417, and to more of them less.
    """

    spec = MetricSpec(
        name="attention_previous_token",
        title="Attention on the previous token",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.previous_token",),
        definition="Mean over query rows after the first of the attention on the token just "
        "before the query's own.",
        source="Clark et al. 2019, What does BERT look at?",
        group="attention",
    )
    undefined = "fewer than two tokens"
    across = "the keys are tokens of another text, none of which comes before the query"

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the previous token's probability in all rows."""
        return seen.of("previous_token")

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows after each prompt's first token."""
        return seen.rest.unsqueeze(1)
