"""How sharply the states turn from token to token, layer by layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from cortexscope.metrics.base.means import MeanOverStates
from cortexscope.metrics.base.metric import Seen
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import HiddenStates

__all__ = ["Curvature"]


class Curvature(MeanOverStates):
    """Return the mean angle between successive steps from token to token, per layer 0..L.

    In radians: a step is the difference of the states of two neighbouring tokens, and the angle
    between two steps is what the path turns by at the token between them. A straight path gives 0,
    one that goes back and forth pi, steps in random directions pi/2, and independent random states
    2 pi/3. Tokens that do not step are left out.
    """

    together = False
    spec = MetricSpec(
        name="curvature",
        title="Curvature",
        unit="radians",
        axes=("layer",),
        bounds=(0.0, math.pi + 1e-6),
        needs=("hidden",),
        definition="Mean over successive triples of tokens of the angle between the differences of "
        "their hidden states, before the final norm.",
        source="Hosseini & Fedorenko 2023, Large language models implicitly learn to straighten "
        "neural sentence trajectories; Henaff et al. 2019",
        group="geometry",
        cost="high",
    )
    undefined = "fewer than three tokens, or no two successive steps"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the angle at each token between the step to it and the one before."""
        return _angles(seen)[0]

    def column(self, site: Site, seen: Seen) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """Return the angles, and where two steps meet."""
        if not isinstance(seen, HiddenStates) or not self.takes(site, seen):
            return None
        angles, met = _angles(seen)
        return angles, seen.tokens, met


def _angles(seen: HiddenStates) -> tuple[Tensor, Tensor]:
    """Return the angle that ends at each token, and which tokens end one."""
    if seen.tokens.shape[1] < 3:
        return torch.zeros_like(seen.norms), torch.zeros_like(seen.tokens)
    steps = seen.values[:, 1:] - seen.values[:, :-1]
    lengths = torch.linalg.vector_norm(steps, dim=-1)
    steps /= lengths[..., None]
    after, before = steps[:, 1:], steps[:, :-1]
    # Near 0 and pi the cosine of an angle says little of it in float32; these two lengths do.
    apart = torch.linalg.vector_norm(after - before, dim=-1).double()
    along = torch.linalg.vector_norm(after + before, dim=-1).double()
    met = seen.tokens[:, 2:] & seen.tokens[:, 1:-1] & seen.tokens[:, :-2]
    met = met & (lengths[:, 1:] != 0) & (lengths[:, :-1] != 0)
    return functional.pad(2 * torch.atan2(apart, along), (2, 0)), functional.pad(met, (2, 0))
