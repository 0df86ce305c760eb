"""Means of tasks at equal lengths and their standard errors, in many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._units import Units

__all__ = ["drawn", "estimates"]

Floats = NDArray[np.float64]


def drawn(units: Units, resamples: int, *, rng: np.random.Generator) -> Floats:
    """Return how often each unit is drawn, with replacement within its task, [resample, unit]."""
    counts, n = units.counts[units.codes], len(units)
    places = units.starts[units.codes] + (rng.random((resamples, n)) * counts).astype(np.intp)
    places += n * np.arange(resamples)[:, None]
    times = np.bincount(places.ravel(), minlength=resamples * n).reshape(resamples, n)
    return times.astype(np.float64)


def estimates(units: Units, weights: Floats, contrasts: Floats) -> Floats:
    """Return contrasts of task means and their standard errors, [2, resample, contrast].

    Means are over models, each at its typical length along the curve fitted within tasks to the
    resample. The error adds up what each unit does to a contrast, squared: its own distance from
    what the fit expects, through its task's mean and through the curves. Those sums are taken
    apart into sums over units that do not depend on the contrast.

    Args:
        units: with curves of which the columns are about orthonormal within tasks.
        weights: how often each unit is drawn, [resample, unit]; in each task as often as it has
            units.
        contrasts: [contrast, task].
    """
    counts = units.counts
    widening = np.sqrt(counts / np.maximum(counts - 1.0, 1.0))[units.codes] / len(units.models)
    found = np.zeros((len(weights), len(contrasts)))
    alone = np.zeros_like(weights)
    curves = []
    for model in range(len(units.models)):
        means, left, curve = _fitted(units, weights, contrasts, model)
        found += means @ contrasts.T / len(units.models)
        left = left * widening
        alone += left
        if curve is not None:
            curves.append((curve, left))
    own = contrasts / counts
    squares = _sums(units, weights * alone**2)[..., 0] @ (own**2).T
    for place, (curve, left) in enumerate(curves):
        both = curve.sums(units, weights * alone * left)
        squares -= 2.0 * ((own @ both) * curve.pull).sum(axis=2)
        for other, others in curves[: place + 1]:
            products = curve.products(units, weights * left * others, other)
            twice = 1.0 if other is curve else 2.0
            squares += twice * ((curve.pull @ products) * other.pull).sum(axis=2)
    return np.stack([found, np.sqrt(np.maximum(squares, 0.0))])


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """One model's curve, fitted in each resample."""

    within: Floats
    """Its columns less each task's mean, [unit, column]."""
    drift: Floats
    """How far resampling moved those means, [resample, task, column]."""
    pull: Floats
    """What a unit's distance does to contrasts through the curve, by its place among the columns,
    [resample, contrast, column]."""

    def sums(self, units: Units, rows: Floats) -> Floats:
        """Return sums over tasks of rows times columns, [resample, task, column]."""
        return _sums(units, rows, self.within) - self.drift * _sums(units, rows)

    def products(self, units: Units, rows: Floats, other: _Curve) -> Floats:
        """Return sums of rows times products of columns, [resample, column, column]."""
        both = _sums(units, rows, other.within).transpose(0, 2, 1)
        moved = both @ self.drift  # [resample, other's column, column]
        back = self.sums(units, rows).transpose(0, 2, 1) @ other.drift
        return _products(rows, self.within, other.within) - moved.transpose(0, 2, 1) - back


def _fitted(
    units: Units, weights: Floats, contrasts: Floats, model: int
) -> tuple[Floats, Floats, _Curve | None]:
    """Return task means, what the fit leaves of each unit, and the curve, if there is one."""
    counts, basis = units.counts[:, None], units.bases[model]
    values = units.values[:, [model]]
    left = units.centred(values)
    shift = (_sums(units, weights, left) / counts)[..., 0]  # [resample, task]
    means = (values - left)[units.starts, 0] + shift
    left = left[:, 0] - shift[:, units.codes]
    if not basis.shape[1]:
        return means, left, None
    within = units.centred(basis)
    drift = _sums(units, weights, within) / counts
    spread = _products(weights, within, within) - drift.transpose(0, 2, 1) @ (drift * counts)
    # A resample of too few lengths for the curve stays solvable: the products are about 1.
    inverse = np.linalg.inv(spread + 1e-9 * np.eye(basis.shape[1]))
    slopes = inverse @ ((weights * left) @ within)[..., None]
    reach = drift + ((basis - within)[units.starts] - units.typical[model])
    means = means - (reach @ slopes)[..., 0]
    left = left - slopes[..., 0] @ within.T + (drift @ slopes)[..., 0][:, units.codes]
    return means, left, _Curve(within, drift, contrasts @ reach @ inverse)


def _sums(units: Units, rows: Floats, columns: Floats | None = None) -> Floats:
    """Return sums over each task's units of rows, times columns, [resample, task, column]."""
    columns = np.ones((len(units), 1)) if columns is None else columns
    edges = [*units.starts, len(units)]
    parts = [rows[:, a:b] @ columns[a:b] for a, b in pairwise(edges)]
    return np.stack(parts, axis=1)


def _products(rows: Floats, first: Floats, second: Floats) -> Floats:
    """Return sums over units of rows times products of columns, [resample, first, second]."""
    flat = (first[:, :, None] * second[:, None]).reshape(len(first), -1)
    return (rows @ flat).reshape(len(rows), first.shape[1], second.shape[1])
