"""Intervals of what a few far values do not move: the trimmed mean and the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._estimate import Estimate
from cortexscope.stats._limits import FEWEST, cautious, student

__all__ = ["Resampled", "median_interval", "resampled", "trimmed_mean_interval"]

Floats = NDArray[np.float64]

# Errors of a resample this small beside the values' reach are rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """The trimmed mean of units, and what it is in resamples of them."""

    estimate: float
    error: float
    """Standard error of the estimate; 0 where the values that count are all the same."""
    estimates: Floats
    """[resample]; none where there are fewer than 10 units."""
    errors: Floats


class _Ends(NamedTuple):
    """Quantiles of (estimate* - estimate) / error*, of which the interval is made."""

    below: float
    above: float


def trimmed_mean_interval(
    units: Floats, level: float, *, rng: np.random.Generator, resamples: int
) -> Estimate:
    """Return the 20 % trimmed mean of units, [unit], not all the same, with its interval."""
    found, n = resampled(units, rng=rng, resamples=resamples), len(units)
    if found.error == 0:
        reason = "the values that are not trimmed are all the same"
        return Estimate(found.estimate, None, None, n, reason=reason)
    ends, method = _quantiles(found.estimate, found.estimates, found.errors, level), "bootstrap-t"
    if ends is None:
        half = student(n - 1 - 2 * (n // 5), level)
        ends, method = _Ends(-half, half), "Student's t"
    low, high = (found.estimate - end * found.error for end in (ends.above, ends.below))
    return Estimate(found.estimate, low, high, n, method, caution=cautious(n, 0.0))


def resampled(units: Floats, *, rng: np.random.Generator, resamples: int = 2000) -> Resampled:
    """Return the 20 % trimmed mean of units, and of resamples of them.

    There are 2 units, [unit], or more; fewer than 10 are not resampled. The error is Tukey and
    McLaughlin's (1963, Sankhya A 25, 331-352), of winsorised values.
    """
    n, centre = len(units), float(units.mean())
    values = units - centre
    (estimate,), (error,) = _located(values[None])
    estimates = errors = np.empty(0)
    if n >= FEWEST:
        drawn = values[rng.integers(n, size=(resamples, n))]
        estimates, errors = _located(drawn)
    floor = _ROUNDING * float(np.abs(units).max())
    return Resampled(
        estimate=centre + float(estimate),
        error=0.0 if error <= floor else float(error),
        estimates=centre + estimates,
        errors=np.where(errors <= floor, 0.0, errors),
    )


def median_interval(ordered: Floats, level: float) -> Estimate:
    """Return the median of rising values, [unit], with its interval between order statistics."""
    from scipy.special import bdtr

    n, median = len(ordered), float(np.median(ordered))
    method = "order statistics, interpolated"
    # The interval from the rank k to the rank n + 1 - k holds the median with these chances.
    ranks = np.arange(1, n // 2 + 1)
    chances = 1.0 - 2.0 * bdtr(ranks - 1, n, 0.5)
    if chances[0] < level:
        reason = f"{n} prompts are too few for the interval of a median"
        return Estimate(median, None, None, n, reason=reason)
    rank = int(np.flatnonzero(chances >= level)[-1]) + 1
    here = chances[rank - 1]
    after = chances[rank] if rank < len(ranks) else 0.0
    share = (here - level) / (here - after)
    share = (n - rank) * share / (rank + (n - 2 * rank) * share)
    inner = min(rank, n - 1)
    low = (1 - share) * ordered[rank - 1] + share * ordered[inner]
    high = (1 - share) * ordered[n - rank] + share * ordered[n - 1 - inner]
    return Estimate(median, float(low), float(high), n, method, caution=cautious(n, 0.0))


def _located(rows: Floats) -> tuple[Floats, Floats]:
    """Return the trimmed mean and its standard error of each row, [resample, unit]."""
    n = rows.shape[1]
    cut = n // 5
    kept = np.sort(rows, axis=1)[:, cut : n - cut]
    estimates = kept.mean(axis=1)
    # Winsorised: as many values as are cut off stand at either end of those that are kept.
    ends = kept[:, [0, -1]]
    centre = (kept.sum(axis=1) + cut * ends.sum(axis=1))[:, None] / n
    away, ends = kept - centre, ends - centre
    squares = np.einsum("ij,ij->i", away, away) + cut * (ends**2).sum(axis=1)
    return estimates, np.sqrt(squares * n / (n - 1)) / (n - 2 * cut)


def _quantiles(estimate: float, estimates: Floats, errors: Floats, level: float) -> _Ends | None:
    """Return quantiles of (estimate* - estimate) / error*; None where resamples lack spread."""
    if not len(estimates):
        return None
    shifts = estimates - estimate
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = shifts / errors
    # Without spread a resample lies infinitely far off, or nowhere if it has not moved.
    ratios = np.sort(np.where(np.isnan(ratios), 0.0, ratios))
    place = np.array([(1 - level) / 2, (1 + level) / 2]) * (len(ratios) - 1)
    below, above = ratios[int(np.floor(place[0]))], ratios[int(np.ceil(place[1]))]
    return _Ends(float(below), float(above)) if np.isfinite(above - below) else None
