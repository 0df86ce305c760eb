"""How far time advances in a state-space layer at each token."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.absent import NO_MIXERS
from cortexscope.metrics.base.mixers import MeanOverMixing
from cortexscope.records import MetricSpec
from cortexscope.taps import Mixing

__all__ = ["MixerStepSize"]


class MixerStepSize(MeanOverMixing):
    """Return the mean over tokens, and channels or heads, of the step size, per layer.

    The step is what turns a state space in continuous time into a recurrence, after the softplus
    and, where a family has them, its limits. A channel with a large step takes the token in and
    forgets what was before; one with a step near 0 passes over the token. A softplus of 0 gives a
    step of ln 2 = 0.69, one of -4 a step of 0.018. Gated delta rules have the same step in their
    gate. RWKV and gated linear units have none.
    """

    spec = MetricSpec(
        name="mixer_step_size",
        title="Step size of mixers",
        unit="step",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("mixers",),
        definition="Mean over tokens and over channels or heads of the step by which the mixer is "
        "discretised, as the recurrence uses it.",
        source="step after Gu and Dao 2023, Mamba; its mean is cortexscope's",
        group="mixers",
    )
    absent = NO_MIXERS._replace(
        unread="this mixer has no step size, or its kernel does not show it"
    )

    def value(self, seen: Mixing) -> Tensor | None:
        """Return the steps of all tokens."""
        return seen.step
