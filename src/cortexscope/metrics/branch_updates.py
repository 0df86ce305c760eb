"""How much attention and MLP add to the residual stream, and in which direction."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverUpdates
from cortexscope.records import MetricSpec
from cortexscope.taps import Update

__all__ = ["AttentionAlignment", "AttentionContribution", "MLPAlignment", "MLPContribution"]

_SOURCE = "cortexscope; norm of a branch's output relative to its block's input"


class AttentionContribution(MeanOverUpdates):
    """Return the mean length of attention's update relative to the stream, per layer 1..L.

    ||update|| / ||stream||; the stream is the block's input. The update is what the block adds: the
    output of attention's last matrix, after a norm or a factor that some families put behind it.
    In blocks that norm the sum, as BERT's do, it is what is added before that norm. A pure number:
    an update equal to the stream has 1, one of zeros 0. Tokens whose stream is 0 are left out.
    """

    part = "attention"
    undefined = "the stream is 0 at every token"
    spec = MetricSpec(
        name="attention_contribution",
        title="Attention's share of the stream",
        unit="1",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("updates",),
        definition="Mean over tokens of the l2 norm of what self-attention adds to the residual "
        "stream, divided by that of the block's input.",
        source=_SOURCE,
        group="magnitude",
        sampled=True,
    )

    def value(self, seen: Update) -> Tensor:
        """Return the ratio of each token."""
        return seen.norms / seen.stream_norms

    def keep(self, seen: Update) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens whose stream is 0."""
        return seen.stream_norms != 0


class MLPContribution(AttentionContribution):
    """Return the mean length of the MLP's update relative to the stream, per layer 1..L.

    ||update|| / ||stream||; the stream is the block's input, also where attention adds to it
    before the MLP reads it. The update is what the block adds: the output of the down projection,
    or with experts their weighted sum, after a norm, a gate or a factor that some families put
    behind it. In blocks that norm the sum it is what is added before that norm. A pure number: an
    update half as long as the stream has 0.5, one of zeros 0.
    """

    part = "mlp"
    spec = replace(
        AttentionContribution.spec,
        name="mlp_contribution",
        title="MLP's share of the stream",
        definition="Mean over tokens of the l2 norm of what the MLP, or the experts, add to the "
        "residual stream, divided by that of the block's input.",
    )


class AttentionAlignment(MeanOverUpdates):
    """Return the mean cosine of attention's update with the stream, per layer 1..L.

    Update and stream as in `attention_contribution`. A pure number: an update that lengthens the
    stream has 1, one at a right angle to it 0, one that shortens it -1. Tokens where either is 0
    are left out.
    """

    part = "attention"
    undefined = "the stream or the update is 0 at every token"
    spec = MetricSpec(
        name="attention_alignment",
        title="Attention's cosine with the stream",
        unit="1",
        axes=("layer",),
        bounds=(-1.0, 1.0),
        needs=("updates",),
        definition="Mean over tokens of the cosine between what self-attention adds to the "
        "residual stream and the block's input.",
        source=_SOURCE,
        group="magnitude",
        sampled=True,
    )

    def value(self, seen: Update) -> Tensor:
        """Return the cosine of each token."""
        return seen.cosines.clamp(-1, 1)

    def keep(self, seen: Update) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens where either is 0."""
        return (seen.stream_norms != 0) & (seen.norms != 0)


class MLPAlignment(AttentionAlignment):
    """Return the mean cosine of the MLP's update with the stream, per layer 1..L.

    Update and stream as in `mlp_contribution`. A pure number: an update that lengthens the stream
    has 1, one that takes part of it away -1. Tokens where either is 0 are left out.
    """

    part = "mlp"
    spec = replace(
        AttentionAlignment.spec,
        name="mlp_alignment",
        title="MLP's cosine with the stream",
        definition="Mean over tokens of the cosine between what the MLP, or the experts, add to "
        "the residual stream and the block's input.",
    )
