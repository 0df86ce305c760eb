"""Intervals of a mean, a trimmed mean, a median or a difference of means over prompts.

How often they hold the truth is measured by `benchmarks/coverage.py`, on distributions that were
written down before any method was tried on them (`benchmarks/_judged.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant, unit_means, unknown_spread
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._limits import (
    SKEWED,
    UNBOUNDED,
    Bounds,
    cautious,
    of_differences,
    skewed_ends,
    student,
    wilson,
)
from cortexscope.stats._robust import median_interval, trimmed_mean_interval

__all__ = ["Statistic", "difference_interval", "interval", "location", "mean_of"]

Floats = NDArray[np.float64]
Labels = Sequence[Any] | NDArray[Any]

Statistic = Literal["mean", "trimmed mean", "median"]
"""What stands for the values; the trimmed mean leaves out a fifth of them at each end."""

_ONE_CONSTANT = "a group does not vary, which tells nothing about its spread"


def location(values: ArrayLike, statistic: Statistic = "mean") -> float:
    """Return the mean, the 20 % trimmed mean or the median of finite values.

    Of 0, 1, 2, 3 and 94 the mean is 20; the trimmed mean and the median are 2.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    cut = {"mean": 0, "trimmed mean": len(ordered) // 5, "median": (len(ordered) - 1) // 2}
    return float(ordered[cut[statistic] : len(ordered) - cut[statistic]].mean())


def interval(
    values: ArrayLike,
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
    statistic: Statistic = "mean",
    bounds: Bounds = UNBOUNDED,
) -> Estimate:
    """Return a statistic of prompts with its interval; their paraphrases are averaged first.

    Mean: each end is the farther one of two. One is Student's; the other is Student's made free of
    skewness by Hall's monotone transformation (`skewed_ends`). Student's alone holds too rarely
    where values are skewed, Hall's alone where they are even but have far values, and the interval
    holds wherever one of them does. Where values are of two kinds, which are both bounds or, these
    unknown, are each found more than once, the share of the higher kind has Wilson's score interval
    (1927, JASA 22, 209-212; recommended by Brown, Cai and DasGupta 2001, Stat. Sci. 16, 101-133).
    Where all are the same and both bounds are known, the share of other values has it, and these
    may lie anywhere between the bounds.
    Trimmed mean: bootstrap-t over clusters with Tukey and McLaughlin's error; under 10 clusters, or
    where resamples lack spread, Student's t.
    Median: order statistics, interpolated between the two nearest pairs of ranks (Hettmansperger
    and Sheather), which needs 6 prompts for 95 %.

    Args:
        values: one a prompt; those that are not finite are left out.
        clusters: what each value belongs to, such as its source prompt; each its own where None.
        rng: where the resamples of a trimmed mean are drawn.
        resamples: how many are drawn.
        level: share of such intervals that hold the true value, between 0 and 1.
        statistic: of what.
        bounds: lowest and highest value possible, inside which the interval lies where values do.

    Returns:
        The statistic and its interval; with a caution where `cautious` has one.

    Raises:
        UsageError: if an option is out of range, or values and clusters differ in length.

    Example:
        >>> interval([1, 3], rng=np.random.default_rng(0)).low
        -10.70...
        >>> interval([2, 2, 2], rng=np.random.default_rng(0)).reason
        'all prompts have the same value'
        >>> interval([0] * 6 + [1] * 6, rng=np.random.default_rng(0))
        Estimate(value=0.5, low=0.253..., high=0.746..., n=12, method='Wilson score', ...)
    """
    if resamples < 1:
        raise UsageError(f"resamples must be at least 1, and is {resamples}.")
    _check(level)
    units = _finite(values, clusters)
    # Of sorted values, so that the order of prompts does not move its last digit.
    value = location(units, statistic) if len(units) else None
    reason = unknown_spread(units)
    if statistic == "mean":
        found = mean_of(units, level=level, bounds=bounds)
    elif reason is not None:
        return Estimate(value, None, None, len(units), reason=reason)
    elif statistic == "median":
        found = median_interval(np.sort(units), level)
    else:
        found = trimmed_mean_interval(units, level, rng=rng, resamples=resamples)
    return replace(found, value=value).within(bounds)


def mean_of(values: ArrayLike, *, level: float = 0.95, bounds: Bounds = UNBOUNDED) -> Estimate:
    """Return the mean of independent prompts with its interval, as `interval` describes it.

    Args:
        values: one a prompt; those that are not finite are left out.
        level: share of such intervals that hold the true mean.
        bounds: lowest and highest value possible.

    Example:
        >>> print(mean_of([1, 3, float("nan")]))
        2 [-10.7, 14.7], n = 2
    """
    units = _finite(values, None)
    n, reason = len(units), unknown_spread(units)
    mean = float(units.mean()) if n else None
    if mean is None or n < 2:
        return Estimate(mean, None, None, n, reason=reason)
    if reason is not None:
        return _of_one_kind(units, level, bounds)
    lowest, highest = float(units.min()), float(units.max())
    times = int((units == highest).sum())
    # With both bounds known, other values than two of which one is no bound are possible.
    certain = 1 < times < n - 1 if None in bounds else bounds == (lowest, highest)
    if certain and ((units == lowest) | (units == highest)).all():
        low, high = (lowest + (highest - lowest) * end for end in wilson(times / n, n, level))
        return Estimate(mean, low, high, n, "Wilson score", caution=cautious(n, 0.0))
    return _of_many_kinds(units, level, bounds)


def _of_many_kinds(units: Floats, level: float, bounds: Bounds) -> Estimate:
    n = len(units)
    centre = float(units.mean())
    # Squares of the smallest numbers would be 0.
    reach = float(np.abs(units - centre).max())
    away = (units - centre) / reach
    spread = math.sqrt(float((away**2).mean()))
    skewness = float((away * away**2).mean()) / spread**3 / math.sqrt(n)
    ends = skewed_ends(centre, reach * spread / math.sqrt(n - 1), n - 1, skewness, level)
    return Estimate(centre, *ends, n, SKEWED, caution=cautious(n, skewness)).within(bounds)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: tuple[Labels, Labels] | None = None,
    paired: bool = False,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> Estimate:
    """Return the mean of `first` minus that of `second`, with its interval.

    Paired: that of the mean of differences, as `interval` has it of values of many kinds, since
    differences of values of two kinds are of three. Of other prompts: Welch's, since skewness
    largely cancels; where a group is all the same, Welch's would take its mean for
    certain; there the groups' own intervals are put together by their squares, if both have one
    (Newcombe 1998, Stat. Med. 17, 873-890, method 10; Zou and Donner 2008, Stat. Med. 27, 1693).
    The values of a cluster are averaged first.

    Args:
        first: one a prompt; those that are not finite are left out.
        second: likewise; of the same prompts in the same order if paired.
        clusters: what each sample's values belong to, the same for both if paired; each its own
            where None.
        paired: whether both have the same prompts.
        level: share of such intervals that hold the true difference, between 0 and 1.
        bounds: lowest and highest value possible, whose distance no difference exceeds.

    Raises:
        UsageError: if `level` is out of range, or values and clusters or pairs differ in length.

    Example:
        >>> difference_interval([1, 3], [1, 3]).method
        "Welch's t"
    """
    _check(level)
    if paired:
        return _of_differences(first, second, clusters, level, of_differences(bounds))
    one, two = (
        _finite(values, labels)
        for values, labels in zip((first, second), clusters or (None, None), strict=True)
    )
    n = min(len(one), len(two))
    if n < 2:
        difference = float(one.mean() - two.mean()) if n else None
        return Estimate(difference, None, None, n, reason="a group has fewer than 2 prompts")
    if constant(one) or constant(two):
        return _of_two_intervals(one, two, level, bounds)
    reach = max(float(np.abs(group - group.mean()).max()) for group in (one, two))
    away = [(group - group.mean()) / reach for group in (one, two)]
    parts = np.array([group.var(ddof=1) / len(group) for group in away])
    degrees = parts.sum() ** 2 / (parts**2 / [len(one) - 1, len(two) - 1]).sum()
    difference, error = float(one.mean() - two.mean()), float(np.sqrt(parts.sum()))
    half = student(float(degrees), level) * error * reach
    thirds = [float((group * group**2).sum()) / len(group) ** 3 for group in away]
    caution = cautious(n, (thirds[0] - thirds[1]) / error**3)
    ends = difference - half, difference + half
    found = Estimate(difference, *ends, n, "Welch's t", caution=caution)
    return found.within(of_differences(bounds))


def _finite(values: ArrayLike, clusters: Labels | None) -> Floats:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1:
        raise UsageError(f"A sample is a row of values, and has the shape {row.shape}.")
    units = unit_means(row, clusters)
    return units[np.isfinite(units)]


def _check(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must lie between 0 and 1, and is {level}.")


def _of_one_kind(units: Floats, level: float, bounds: Bounds) -> Estimate:
    """Return how far values not found may draw the mean of values that are all the same."""
    (lowest, highest), value, n = bounds, float(units.mean()), len(units)
    if lowest is None or highest is None:
        return Estimate(value, None, None, n, reason=unknown_spread(units))
    # A share u of others leaves n of one kind with the chance (1 - u)^n, and Wilson's upper end for
    # none of n bounds it; the mean then lies no farther than u of the way to either bound.
    share = wilson(0.0, n, level)[1]
    low, high = (value + share * (end - value) for end in (lowest, highest))
    method = "Wilson score, all the same"
    return Estimate(value, low, high, n, method, caution=cautious(n, 0.0))


def _of_differences(
    first: ArrayLike,
    second: ArrayLike,
    clusters: tuple[Labels, Labels] | None,
    level: float,
    bounds: Bounds,
) -> Estimate:
    one, two = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if one.shape != two.shape or (clusters and list(clusters[0]) != list(clusters[1])):
        raise UsageError("Pairs need as many values of both, of the same prompts.")
    units = _finite(one - two, clusters[0] if clusters else None)
    if len(units) > 1 and not constant(units):
        return _of_many_kinds(units, level, bounds)
    return mean_of(units, level=level, bounds=bounds)


def _of_two_intervals(one: Floats, two: Floats, level: float, bounds: Bounds) -> Estimate:
    """Return a difference with an interval from those of both means."""
    a, b, n = float(one.mean()), float(two.mean()), min(len(one), len(two))
    first, second = (mean_of(group, level=level, bounds=bounds) for group in (one, two))
    if first.low is None or first.high is None or second.low is None or second.high is None:
        reason = "neither group varies" if constant(one) and constant(two) else _ONE_CONSTANT
        return Estimate(a - b, None, None, n, reason=reason)
    return Estimate(
        a - b,
        a - b - math.hypot(a - first.low, second.high - b),
        a - b + math.hypot(first.high - a, b - second.low),
        n,
        "both groups' intervals (Newcombe)",
        caution=first.caution or second.caution,
    )
