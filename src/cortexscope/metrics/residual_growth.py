"""By what factor the residual stream grows from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cortexscope.metrics.base.metric import Layout, Values
from cortexscope.metrics.base.over_tokens import where
from cortexscope.metrics.base.states import State, side_by_side
from cortexscope.metrics.residual_norm import ResidualNormRest
from cortexscope.records import MetricSpec, Site

__all__ = ["ResidualGrowth"]


class ResidualGrowth(ResidualNormRest):
    """Return the factor by which the mean norm grows per layer, one number a stack.

    exp of the least-squares slope of ln(mean l2 norm of the tokens after the first) over the block
    outputs 1..L; the embedding output is left out, since the step from it to the first block is of
    another kind and often larger than all others. A pure number: norms 1, 2, 4, 8 give 2; a stream
    whose length stays gives 1.
    """

    spec = MetricSpec(
        name="residual_growth",
        title="Residual growth per layer",
        unit="1",
        axes=(),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="exp of the least-squares slope, over layers 1..L, of the logarithm of the mean "
        "l2 norm of a prompt's tokens after its first.",
        source="Heimersheim & Turner 2023, Residual stream norms grow exponentially",
        group="magnitude",
    )

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Fit the line, stack by stack."""
        for _, *blocks in layout.hidden:
            whole = (Site.whole(blocks[0].stack),)
            found = [*side_by_side(state, blocks)]
            if sum(len(block.sites) for block in found) < 2:
                yield Values(whole, None, "fewer than two layers")
                continue
            ((seen, sums),) = found
            total, count = sums["total"], sums["count"]
            layers = torch.tensor([site.layer for site in seen], dtype=torch.float64)
            apart = (layers - layers.mean()).to(total.device)
            logarithms = (total / count).log()
            slope = (apart[:, None] * logarithms).sum(0) / apart.square().sum()
            defined = (count > 0).all(0)
            growth = where(defined, slope.exp())[None]
            yield Values(whole, growth, self.undefined, tokens=count.amin(0)[None])
