"""How large the state of a recurrent mixer is when the prompt has been read."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.absent import NO_MIXERS
from cortexscope.metrics.base.mixers import MeanOverMixing
from cortexscope.records import MetricSpec
from cortexscope.taps import Mixing

__all__ = ["MixerStateNorm"]


class MixerStateNorm(MeanOverMixing):
    """Return the l2 norm of a mixer's recurrent state after the prompt's last token, per layer.

    The square root of the sum of the squares of all entries of the state, in the units of the
    state: a state of zeros has 0, one whose only entry is -3 has 3. All heads or channels count,
    so that models of unlike size are not to be compared. RWKV keeps two sums of which only the
    quotient matters: their size means nothing, and there is no value.
    """

    spec = MetricSpec(
        name="mixer_state_norm",
        title="State norm of mixers",
        unit="l2 norm",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("mixers.state",),
        definition="L2 norm over all entries of the recurrent state after the prompt's last token.",
        source="cortexscope; state after Gu and Dao 2023, Mamba",
        group="mixers",
    )
    absent = NO_MIXERS._replace(
        unread="the state of this mixer has no size of its own, or its kernel does not show it"
    )

    def value(self, seen: Mixing) -> Tensor | None:
        """Return the norm, at every token."""
        norm = seen.state_norm
        return None if norm is None else norm[:, None].expand(seen.tokens.shape)

    def keep(self, seen: Mixing) -> Bool[Tensor, "prompt *head token"] | None:
        """Keep that of the last token."""
        places = torch.arange(seen.tokens.shape[1], device=seen.tokens.device)
        return places == seen.positions.last[:, None]
