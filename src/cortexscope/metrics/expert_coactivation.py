"""Which experts work together: how evenly tokens use the pairs, and how often one calls another."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from cortexscope.metrics.base.absent import NO_EXPERTS
from cortexscope.metrics.base.means import quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import Routing

__all__ = ["ExpertCoactivation", "ExpertCoactivationGiven"]


class ExpertCoactivation(Metric):
    """Return the evenness with which a prompt's tokens use the pairs of experts, per layer.

    A token that is sent to k experts uses k (k - 1) / 2 pairs of them. With q the share that each
    of the E (E - 1) / 2 pairs has of all that the prompt uses, it is the entropy of q divided by
    ln (E (E - 1) / 2), no unit. If the same two experts always work together it is 0, if every
    pair is used equally often 1. With k = 1 there are no pairs, and with E = 2 only one. A
    short prompt cannot use many pairs, so that it rises with length by construction.
    """

    spec = MetricSpec(
        name="expert_coactivation",
        title="Spread of expert pairs",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("experts",),
        definition="Shannon entropy of the shares of the pairs of experts that the prompt's "
        "tokens are sent to together, divided by the logarithm of the number of possible pairs.",
        source="cortexscope; co-activation after Muennighoff et al. 2024, OLMoE",
        group="experts",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Count each pair, and the slots."""
        if not isinstance(seen, Routing):
            return state
        first, second = torch.triu_indices(seen.experts, seen.experts, 1, device=seen.tokens.device)
        if seen.slots is None:
            nothing = seen.tokens.new_zeros(len(seen.tokens), len(first), dtype=torch.float64)
            none = nothing.sum(-1)
            return add(state, site, {"total": nothing, "count": none, "tokens": none})
        every = _together(seen)
        together, slots = every[:, first, second], every.diagonal(dim1=1, dim2=2).sum(-1)
        sums = {"slots": slots, "tokens": seen.tokens.sum(-1).double()}
        return add(state, site, {"total": together, "count": together.sum(-1), **sums})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Take the entropy of the shares, layer by layer."""
        for found in quotients(
            state, layout.blocks, "", absent=NO_EXPERTS, known=layout.known.experts
        ):
            if found.values is None:
                yield found
                continue
            for site, shares in zip(found.sites, found.values, strict=True):
                spread, reason = _spread(shares, said="slots" in state[site])
                yield Values((site,), spread, reason, tokens=state[site]["tokens"][None])


class ExpertCoactivationGiven(Metric):
    """Return the probability that a token sent to one expert is sent to another too, per layer.

    P(b | a): of a prompt's tokens that expert a gets, the share that b gets as well, for each
    ordered pair of different experts; of E experts the pair has the number a E + b. If two experts
    always work together it is 1 both ways; if k of E experts were chosen at even chance,
    (k - 1) / (E - 1). With k = 1 it is 0.
    """

    spec = MetricSpec(
        name="expert_coactivation_given",
        title="Co-activation of experts",
        unit="probability",
        axes=("layer", "expert pair"),
        bounds=(0.0, 1.0),
        needs=("experts",),
        definition="Of the prompt's tokens that are sent to expert a, the share that is sent to "
        "expert b too; the index is a times the number of experts, plus b.",
        source="Muennighoff et al. 2024, OLMoE (arXiv 2409.02060), section 5.2",
        group="experts",
        cost="high",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Count the tokens of each expert, and those that it shares with each other one."""
        if not isinstance(seen, Routing):
            return state
        if seen.slots is None:
            nothing = seen.tokens.new_zeros(
                (len(seen.tokens), seen.experts, seen.experts), dtype=torch.float64
            )
            return add(state, site, {"total": nothing, "count": nothing.sum(-1)})
        together = _together(seen)
        tokens = together.diagonal(dim1=1, dim2=2)
        return add(state, site, {"total": together, "count": tokens, "said": tokens * 0 + 1})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer."""
        for found in quotients(
            state, layout.blocks, "", absent=NO_EXPERTS, known=layout.known.experts
        ):
            if found.values is None:
                yield found
                continue
            experts = found.values.shape[-1]
            pairs = [a * experts + b for a in range(experts) for b in range(experts) if a != b]
            if not pairs:
                alone = found.values.new_full((*found.values.shape[:2], 1), torch.nan)
                yield Values(found.sites, alone, "there is only one expert")
                continue
            for site, shares in zip(found.sites, found.values, strict=True):
                reason = (
                    "no token is sent to the first expert" if "said" in state[site] else _UNSAID
                )
                first = [pair // experts for pair in pairs]
                yield Values(
                    (site,),
                    shares.flatten(1)[None, :, pairs],
                    reason,
                    tuple(pairs),
                    tokens=state[site]["count"][None, :, first],
                )


def _together(seen: Routing) -> Tensor:
    """Return how many tokens of each prompt go to both experts, [prompt, expert, expert]."""
    assert seen.slots is not None
    used = ((seen.slots > 0) & seen.tokens[..., None]).float()
    # Counts are exact in float32 up to 16 million tokens.
    return (used.mT @ used).double()


def _spread(shares: Tensor, *, said: bool) -> tuple[Tensor, str]:
    """Return the normalised entropy, [1, prompt], and why it is undefined where it is.

    Args:
        shares: of each pair, [prompt, pair].
        said: whether the router says which experts it chose.
    """
    pairs = shares.shape[-1]
    if pairs < 2:
        return shares.new_full((1, len(shares)), torch.nan), "there are not three experts to pair"
    entropy: Tensor = torch.special.entr(shares).sum(-1)[None] / math.log(pairs)
    reason = "a token is sent to one expert only" if said else _UNSAID
    return entropy.clamp(max=1), reason


_UNSAID = "the router does not say which experts it chose"
