"""How much of its state a recurrent mixer keeps from one token to the next."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.absent import NO_MIXERS
from cortexscope.metrics.base.mixers import MeanOverMixing
from cortexscope.records import MetricSpec
from cortexscope.taps import Mixing

__all__ = ["MixerDecay"]


class MixerDecay(MeanOverMixing):
    """Return the mean over tokens, channels and states of the state's decay factor, per layer.

    It is exp(step x A) in Mamba (A is negative, of each channel and state), in Mamba-2 and gated
    delta rules (of each head; what a delta rule erases besides is not in it); the gate of a gated
    linear unit, before the reset at the first token; and exp(-exp(w)) of each channel in RWKV. A
    mixer that keeps everything has 1, one that forgets at every token 0: a factor of 0.5 leaves
    half of the state after one token, 0.99 after 69. A mean of 0.5 may be half the channels at 0
    and half at 1.
    """

    spec = MetricSpec(
        name="mixer_decay",
        title="Decay of mixers",
        unit="factor",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("mixers",),
        definition="Mean over tokens and over the entries of the state of the factor by which the "
        "mixer multiplies the state at a token before it adds the token.",
        source="factor after Gu and Dao 2023, Mamba; its mean is cortexscope's",
        group="mixers",
    )
    absent = NO_MIXERS._replace(unread="the kernel of this mixer does not show its decay")

    def value(self, seen: Mixing) -> Tensor | None:
        """Return the factors of all tokens."""
        return seen.decay
