"""How many features are outliers throughout a stack, by the rule of LLM.int8."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import HiddenStates

__all__ = ["OutlierDimensions"]

_SIZE = 6.0
_OF_LAYERS = 0.25
_OF_POSITIONS = 0.06


class OutlierDimensions(Metric):
    """Return the number of features that are outliers throughout a stack.

    A feature is one if |h| >= 6 times the token's root mean square, so that a norm without gain
    would hand 6 or more to the matrices behind it: at one token or more in at least 25 % of the
    layers 0..L, and at 6 % or more of all positions, those of all layers together. A count: a
    feature that holds 100 in every state, beside 63 that hold 1, is one; states of all ones have
    none. One token in a layer is enough there, and a longer prompt has more, up to the sample; the
    share of positions does not grow. What a feature does at tokens beside the sample is missed.
    """

    spec = MetricSpec(
        name="outlier_dimensions",
        title="Outlier features",
        unit="features",
        axes=(),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Number of features with |h| >= 6 times the token's root mean square in at "
        "least 25 % of layers 0..L and at 6 % of positions over all layers, before the final norm.",
        source="Dettmers et al. 2022, LLM.int8(); on states scaled as a norm without gain does",
        group="magnitude",
        cost="high",
        sampled=True,
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add up a layer's outliers, feature by feature."""
        if type(seen) is not HiddenStates or site.layer is None:
            return state
        norms = seen.norms
        bound = torch.where(seen.tokens & (norms > 0), norms * (_SIZE / seen.width**0.5), torch.inf)
        # Sums of ones in float32 are exact.
        found = seen.values.abs().ge_(bound[..., None]).sum(1)
        broken = (seen.tokens & ~norms.isfinite()).any(-1)
        sums = {
            "positions": found.double(),
            "layers": (found > 0).double(),
            "count": seen.positions.counts.double().masked_fill(broken, torch.inf),
            "tokens": seen.positions.counts.double(),
            "passed": torch.ones_like(seen.positions.counts, dtype=torch.float64),
        }
        whole = Site.whole(site.stack)
        if whole in state:
            sums = {name: value.to(state[whole][name].device) for name, value in sums.items()}
        return add(state, whole, sums)

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Count the features, stack by stack."""
        for sites in layout.hidden:
            whole = Site.whole(sites[0].stack)
            if whole not in state:
                yield Values((whole,), None, "no layers")
                continue
            sums = state[whole]
            often = sums["positions"] / sums["count"][:, None] >= _OF_POSITIONS
            deep = sums["layers"] / sums["passed"][:, None] >= _OF_LAYERS
            found = (often & deep).sum(-1).double()
            found[~sums["count"].isfinite()] = torch.inf
            tokens = (sums["tokens"] / sums["passed"])[None]
            yield Values((whole,), found[None], None, tokens=tokens)
