"""How much attention each head leaves on a learned sink, an outcome that is no key."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.absent import Absent
from cortexscope.metrics.base.means import MeanOverRows
from cortexscope.metrics.base.metric import Layout
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows

__all__ = ["AttentionLearnedSinkMass"]


class AttentionLearnedSinkMass(MeanOverRows):
    """Return the mean probability on the learned sink of a head, per layer and head.

    Over all query rows. A sink whose logit is as large as that of the only visible key takes 0.5;
    one far below all keys 0. Nothing of it is on the first token.
    """

    spec = MetricSpec(
        name="attention_learned_sink_mass",
        title="Attention on the learned sink",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.learned_sink",),
        definition="Mean over query rows of the attention on the head's learned sink, which is no "
        "token's key.",
        source="OpenAI 2025, gpt-oss-120b and gpt-oss-20b model card",
        group="attention",
    )
    absent = Absent("no learned sink", "no learned sink in this layer", "no learned sink")

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the sink's probability in all rows."""
        return seen.of("learned_sink")

    def known(self, layout: Layout) -> frozenset[Site]:
        """Return no layer: attention does not mean that there is a sink."""
        return frozenset()
