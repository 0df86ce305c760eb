"""How a router spreads tokens over experts: each one's load, and how sure the router is."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.absent import NO_EXPERTS
from cortexscope.metrics.base.means import MeanOverRoutes, quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import Routing

__all__ = ["ExpertLoad", "RouterEntropy", "RouterTopMass"]


class ExpertLoad(Metric):
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
        group="experts",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Count the slots of each expert, and all slots."""
        if not isinstance(seen, Routing):
            return state
        if seen.slots is None:
            nothing = seen.tokens.new_zeros(len(seen.tokens), seen.experts, dtype=torch.float64)
            none = nothing.sum(-1)
            return add(state, site, {"total": nothing, "count": none, "tokens": none})
        load = torch.where(seen.tokens[..., None], seen.slots, 0).sum(1).double()
        tokens = seen.tokens.sum(-1).double()
        return add(state, site, {"total": load, "count": load.sum(-1), "tokens": tokens})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer."""
        yield from quotients(
            state,
            layout.blocks,
            "the router does not say which experts it chose",
            absent=NO_EXPERTS,
            known=layout.known.experts,
        )


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
        group="experts",
    )
    undefined = "the router shows no scores"

    def value(self, seen: Routing) -> Tensor:
        """Return the entropies of all tokens."""
        if seen.probabilities is None:
            return torch.zeros(seen.tokens.shape, dtype=torch.float64, device=seen.tokens.device)
        entropy: Tensor = torch.special.entr(seen.probabilities.double()).sum(-1)
        return entropy

    def keep(self, seen: Routing) -> Bool[Tensor, "prompt *head token"] | None:
        """Keep nothing where the router shows no scores."""
        return None if seen.probabilities is not None else torch.zeros_like(seen.tokens)


class RouterTopMass(MeanOverRoutes):
    """Return the mean over tokens of the probability on the experts that were chosen, per layer.

    The router's distribution is over all experts, as for the router's entropy. If it puts all on
    the k chosen ones the value is 1; if it prefers none of E experts it is k / E.
    """

    spec = MetricSpec(
        name="router_top_mass",
        title="Router mass on the chosen experts",
        unit="probability",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("experts",),
        definition="Mean over tokens of the probability that the router's distribution over all "
        "experts puts on those that the token is sent to.",
        source="cortexscope; router after Shazeer et al. 2017, Outrageously large neural networks",
        group="experts",
    )
    undefined = "the router does not show both its scores and its choice"

    def value(self, seen: Routing) -> Tensor:
        """Return the mass of all tokens."""
        if seen.probabilities is None or seen.slots is None:
            return torch.zeros(seen.tokens.shape, dtype=torch.float64, device=seen.tokens.device)
        mass = torch.where(seen.slots > 0, seen.probabilities.double(), 0).sum(-1)
        return mass.clamp(max=1)

    def keep(self, seen: Routing) -> Bool[Tensor, "prompt *head token"] | None:
        """Keep nothing where the router does not show both."""
        both = seen.probabilities is not None and seen.slots is not None
        return None if both else torch.zeros_like(seen.tokens)
