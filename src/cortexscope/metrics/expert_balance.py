"""How evenly a mixture of experts loads its experts: one number a layer, from the loads."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.metrics.base.metric import Layout, Values
from cortexscope.metrics.base.states import State
from cortexscope.metrics.expert_routing import ExpertLoad
from cortexscope.records import MetricSpec

__all__ = ["ExpertBalance", "ExpertLoadVariation"]


class _OfLoads(ExpertLoad):
    """A number a layer that is computed of the loads of its experts."""

    @abstractmethod
    def of(self, loads: Float[Tensor, "site prompt expert"]) -> Float[Tensor, "site prompt"]:
        """Return the number, of loads that sum to 1."""

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Reduce the loads, layer by layer; one expert alone cannot be even or uneven."""
        for found in super().compute(state, layout):
            if found.values is None:
                yield found
            elif found.values.shape[-1] == 1:
                nothing = found.values[..., 0].new_full(found.values.shape[:-1], torch.nan)
                yield Values(found.sites, nothing, "there is only one expert")
            else:
                yield replace(found, values=self.of(found.values))


class ExpertBalance(_OfLoads):
    """Return the entropy of the experts' loads as a share of the highest possible, per layer.

    With the load p_e of each of E experts it is -sum_e p_e ln p_e / ln E, no unit. With an even
    load it is 1, if one expert gets every token 0, and if half of 16 experts share all tokens
    evenly ln 8 / ln 16 = 0.75. A prompt of n tokens with k slots each can load at most n k
    experts, so that short prompts have low values: compare prompts of like length.
    """

    spec = MetricSpec(
        name="expert_balance",
        title="Expert balance",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("experts",),
        definition="Shannon entropy of the shares of the prompt's token slots that the experts "
        "get, divided by the logarithm of the number of experts.",
        source="cortexscope; loads after Shazeer et al. 2017, Outrageously large neural networks",
        group="experts",
    )

    def of(self, loads: Float[Tensor, "site prompt expert"]) -> Float[Tensor, "site prompt"]:
        """Return the normalised entropy."""
        entropy: Tensor = torch.special.entr(loads).sum(-1)
        return (entropy / math.log(loads.shape[-1])).clamp(max=1)


class ExpertLoadVariation(_OfLoads):
    """Return the coefficient of variation of the load over the experts, per layer.

    It is the standard deviation of the experts' loads (of all E of them, divided by E) over their
    mean 1 / E, no unit. With an even load it is 0; if one of E experts gets every token it is
    sqrt(E - 1), the highest possible. Its square is the loss by which routers are kept even. It
    falls with length by construction, for few slots cannot be even over many experts.
    """

    spec = MetricSpec(
        name="expert_load_variation",
        title="Variation of expert load",
        unit="ratio",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("experts",),
        definition="Standard deviation over experts of the share of the prompt's token slots that "
        "each gets, divided by the mean share.",
        source="Shazeer et al. 2017, Outrageously large neural networks",
        group="experts",
    )

    def of(self, loads: Float[Tensor, "site prompt expert"]) -> Float[Tensor, "site prompt"]:
        """Return the coefficient of variation."""
        return loads.std(-1, correction=0) * loads.shape[-1]
