"""How much attention each head parks on the first key it can see."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionRows

__all__ = ["AttentionSinkMass"]


class AttentionSinkMass(MeanOverRows):
    """Return the mean probability on the first visible position, per layer and head.

    Over the query rows after the first, whose own key is the first one. All attention on the first
    position gives 1; even causal attention over n tokens gives the mean of 1/2 .. 1/n, so that it
    falls with length by construction.
    """

    spec = MetricSpec(
        name="attention_sink_mass",
        title="Attention on the first token",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.first_key",),
        definition="Mean over query rows after the first of the attention on the first position "
        "that the row can see.",
        source="Xiao et al. 2023, Efficient streaming language models with attention sinks",
        group="attention",
    )
    undefined = "fewer than two tokens"

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the first key's probability in all rows."""
        return seen.of("first_key")

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows after each prompt's first token."""
        return seen.rest.unsqueeze(1)
