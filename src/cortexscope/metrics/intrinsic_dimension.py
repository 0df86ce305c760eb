"""How many numbers it takes to say where a prompt's state lies among those of its task."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from cortexscope.metrics.base.pooled import MEAN_STATE, OverPromptsOfLayer
from cortexscope.records import MetricSpec

__all__ = ["IntrinsicDimension", "IntrinsicDimensionLine"]

_FEWEST, _MOST = 10, 2048
_SAME = 1e-5
_DISCARDED = 0.1


class IntrinsicDimension(OverPromptsOfLayer):
    """Return the intrinsic dimension of a task's prompts by their two nearest ones, per layer 0..L.

    TwoNN: (N - 1) / (sum of ln(r2 / r1)) over the distances from each of N mean states to its
    nearest and next one. This is the unbiased estimate of maximum likelihood: unlike the slope of a
    fitted line (intrinsic_dimension_line, the published one), it leaves no choice of how many
    points to discard. States on a curve give 1, on a plane 2. It needs many prompts, and is too low
    where the dimension is large.

    Prompts whose nearest one is closer than 1e-5 of their own length count as the same and are left
    out. Of more than 2048 prompts so many are taken, evenly in the order of their ids.
    """

    spec = MetricSpec(
        name="intrinsic_dimension",
        title="Intrinsic dimension",
        unit="dimensions",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="TwoNN estimate by maximum likelihood, (N - 1) over the sum of ln(r2 / r1), of "
        "the prompts' mean hidden states (of the tokens after the first), before the final norm.",
        source="Facco et al. 2017, Estimating the intrinsic dimension of datasets by a minimal "
        "neighborhood information",
        group="geometry",
        cost="high",
        replication="task",
    )
    pool = MEAN_STATE
    undefined = f"fewer than {_FEWEST} prompts that differ"

    def value(self, vectors: Tensor, counts: Tensor) -> float:
        """Return the dimension of the prompts in a layer."""
        return two_nearest(self.chosen(vectors))

    def chosen(self, rows: Tensor) -> Tensor:
        """Return the rows of 2048 prompts at most, evenly in their order."""
        if len(rows) <= _MOST:
            return rows
        return rows[(2 * torch.arange(_MOST) + 1) * len(rows) // (2 * _MOST)]


class IntrinsicDimensionLine(IntrinsicDimension):
    """Return the intrinsic dimension of a task's prompts as the slope of a line, per layer 0..L.

    TwoNN as published: of the N ratios r2 / r1 of the distances from each mean state to its next
    and its nearest one, in ascending order, the tenth with the largest is discarded, and a line
    through the origin is fitted by least squares to -ln(1 - i / N) over ln(r2 / r1), i = 1, 2, ...
    So does scikit-dimension. States on a curve give 1, on a plane 2; the largest ratios, which
    fit least, have no say, as they have in intrinsic_dimension. Which prompts are left out is as
    there.
    """

    spec = replace(
        IntrinsicDimension.spec,
        name="intrinsic_dimension_line",
        title="Intrinsic dimension by a line",
        definition="TwoNN estimate by the slope of a line through the origin, after a tenth of "
        "the prompts with the largest r2 / r1 is discarded, of the prompts' mean hidden states (of "
        "the tokens after the first), before the final norm.",
    )

    def value(self, vectors: Tensor, counts: Tensor) -> float:
        """Return the dimension of the prompts in a layer."""
        return two_nearest_line(self.chosen(vectors))


def two_nearest(points: Tensor) -> float:
    """Return the TwoNN dimension of points; NaN for too few, infinite where one is not finite."""
    ratios = _log_ratios(points)
    if ratios is None:
        return math.inf
    if len(ratios) < _FEWEST:
        return math.nan
    spread = float(ratios.sum())
    return (len(ratios) - 1) / spread if spread else math.inf


def two_nearest_line(points: Tensor) -> float:
    """Return the same by a line; NaN for too few, infinite where one is not finite."""
    ratios = _log_ratios(points)
    if ratios is None:
        return math.inf
    if len(ratios) < _FEWEST:
        return math.nan
    kept = int(len(ratios) * (1 - _DISCARDED))
    x = ratios.sort().values[:kept]
    y = -torch.log1p(-torch.arange(1, kept + 1, dtype=x.dtype, device=x.device) / len(ratios))
    square = float(x @ x)
    return float(x @ y) / square if square else math.inf


def _log_ratios(points: Tensor) -> Tensor | None:
    """Return ln(r2 / r1) of the points that differ; None where a point is not finite.

    Of fewer than ten points there is none.
    """
    if len(points) < _FEWEST:
        return points.new_zeros(0)
    if not bool(points.isfinite().all()):
        return None
    lengths = torch.linalg.vector_norm(points, dim=-1)
    centred = points - points.mean(0)
    squares = centred.square().sum(-1)
    distances = squares[:, None] + squares - 2 * centred @ centred.T
    nearest = distances.fill_diagonal_(torch.inf).topk(2, largest=False).indices
    # A difference of squares finds the nearest ones; how near they are, the points say themselves.
    apart = torch.linalg.vector_norm(points[:, None] - points[nearest], dim=-1).sort(-1).values
    apart = apart[apart[:, 0] > _SAME * lengths]
    ratios: Tensor = (apart[:, 1] / apart[:, 0]).log()
    return ratios
