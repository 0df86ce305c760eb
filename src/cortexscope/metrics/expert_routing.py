"""How a mixture of experts spreads its tokens: the load of each expert, the router's entropy."""

from __future__ import annotations

import torch

from cortexscope.metrics._metric import MeanOverRoutes
from cortexscope.metrics._states import Sums, total
from cortexscope.records import MetricSpec
from cortexscope.taps import Routing

__all__ = ["ExpertLoad", "RouterEntropy"]


class ExpertLoad(MeanOverRoutes):
    """Return the share of a prompt's token slots that goes to each expert, per layer.

    A token that is sent to k experts has k slots. The shares of a layer sum to 1; with an even
    load each of E experts has 1 / E, and one that is never chosen has 0.
    """

    spec = MetricSpec(
        name="expert_load",
        title="Expert load",
        unit="share",
        axes=("layer", "expert"),
        bounds=(0.0, 1.0),
        needs=("experts",),
        definition="Of all choices that the router made for the prompt's tokens, the share that "
        "fell on the expert.",
        source="after Shazeer et al. 2017, Outrageously large neural networks",
    )
    undefined = "the router does not say which experts it chose"

    def sums(self, seen: Routing) -> Sums:
        """Count the slots of each expert, and all slots."""
        if seen.slots is None:
            nothing = torch.zeros(len(seen.tokens), seen.experts, dtype=torch.float64)
            return {"total": nothing, "count": nothing.clone()}
        load = torch.where(seen.tokens[..., None], seen.slots, 0).sum(1).double()
        return {"total": load, "count": load.sum(-1, keepdim=True).expand_as(load)}


class RouterEntropy(MeanOverRoutes):
    """Return the mean over tokens of the entropy of the router's distribution, in nats, per layer.

    A router that is certain has 0; one that prefers none of E experts has ln E. The distribution
    is over all experts, before the best are taken: the softmax of the router's logits, or their
    sigmoids divided by their sum where the router weighs by sigmoids.
    """

    spec = MetricSpec(
        name="router_entropy",
        title="Router entropy",
        unit="nats",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("experts",),
        definition="Mean over tokens of the Shannon entropy of the router's distribution over all "
        "experts.",
        source="after Chi et al. 2022, On the representation collapse of sparse mixture of experts",
    )
    undefined = "the router shows no scores"

    def sums(self, seen: Routing) -> Sums:
        """Sum the entropies of all tokens."""
        count = seen.tokens.sum(-1).double()
        if seen.probabilities is None:
            return {"total": torch.zeros_like(count), "count": torch.zeros_like(count)}
        entropy = torch.special.entr(seen.probabilities.double()).sum(-1)
        return {"total": total(entropy, seen.tokens), "count": count}
