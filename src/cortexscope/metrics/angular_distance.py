"""How far apart the layers of a model point."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values, not_finite_as_infinity
from cortexscope.metrics.base.states import State, side_by_side
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import HiddenStates

__all__ = ["AngularDistance"]


class AngularDistance(Metric):
    """Return the angle between the last token's states in two layers over pi, for each pair.

    Of each layer 0..L with every later one. States that point the same way are at distance 0, at
    right angles 1/2, in opposite directions 1. Where the distance of layers l and l + n is
    smallest, the n blocks between them do least.
    """

    spec = MetricSpec(
        name="angular_distance",
        title="Angular distance",
        unit="half turns",
        axes=("layer", "other layer"),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Arc cosine of the cosine of the last token's hidden states in a layer and in a "
        "later one, over pi, before the final norm.",
        source="Gromov et al. 2024, The unreasonable ineffectiveness of the deeper layers",
        group="depth",
    )

    together = True

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Keep the last token's state."""
        if type(seen) is not HiddenStates or site.layer is None:
            return state
        return {**state, site: {"vector": seen.last}}

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Compare every two layers of a stack."""
        for sites in layout.hidden:
            (block,) = side_by_side(state, sites)
            vectors = block.sums["vector"].transpose(0, 1).contiguous().double()
            norms = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
            units = vectors / torch.where(norms == 0, 1, norms)
            # In float64 the arc cosine of a rounded 1 is still below 1e-7.
            angles = (units @ units.mT).clamp(-1, 1).arccos() / math.pi
            angles = not_finite_as_infinity(angles).permute(1, 0, 2)  # [layer, prompt, layer]
            zero = (norms[..., 0] == 0).T
            angles = angles.masked_fill(zero[..., None] | zero.T, torch.nan)
            layers = tuple(int(site.layer or 0) for site in sites)
            one = angles.new_ones(1, 1)
            for number, site in enumerate(sites[:-1], start=1):
                values = angles[None, number - 1, :, number:]
                others = layers[number:]
                yield Values((site,), values, "a state of zeros has no direction", others, one)
