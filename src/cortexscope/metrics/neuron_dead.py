"""Share of an MLP's neurons that are silent at all of a prompt's tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from cortexscope.metrics.base.over_tokens import OverTokensOfNeurons
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["NeuronDead"]


class NeuronDead(OverTokensOfNeurons):
    """Return the share of an MLP's neurons that are dead throughout a prompt, per layer 1..L.

    Those with |a| below the near-zero threshold at every token that is looked at; a is what the
    down projection reads. A pure number: 1 where all are 0 at all tokens, 0 where each is 1 at
    some token. It falls as more tokens are looked at, so that a sample's is the higher one; of a
    single token it is the share near zero.
    """

    spec = MetricSpec(
        name="neuron_dead",
        title="Dead neurons",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("neurons",),
        definition="Share of the MLP's neurons with |a| < 0.01 (the threshold is an option) at "
        "every token of a prompt that is looked at, where a is what the down projection reads; "
        "falls with their number.",
        source="cortexscope; dead as by Voita et al. 2024, Neurons in large language models, "
        "within a prompt",
        group="sparsity",
        cost="high",
        sampled=True,
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of each prompt."""
        loudest = torch.where(seen.tokens[..., None], seen.values, 0).abs().amax(1)
        return (loudest < self.options.near_zero).sum(-1).double() / seen.width
