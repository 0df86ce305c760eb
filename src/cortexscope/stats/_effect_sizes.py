"""How far two samples lie apart: in standard deviations, and in order."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._noncentral import noncentral_t

__all__ = ["cliffs_delta", "hedges_g", "standardised"]

Floats = NDArray[np.float64]


def hedges_g(
    first: ArrayLike, second: ArrayLike, *, paired: bool = False, level: float = 0.95
) -> Estimate:
    """Return the difference of two means in standard deviations, without the bias of few values.

    The standard deviation is pooled or, if paired, that of the differences, the one which
    `prompts_needed` takes. The factor for bias is gamma(df / 2) / (gamma((df - 1) / 2)
    sqrt(df / 2)). The interval, of the true difference in true standard deviations, inverts the
    noncentral t distribution, which takes values as normal.

    Args:
        first: one value a unit, as `unit_means` makes them; pairs or values that are not finite
            are left out.
        second: likewise, in the same order if paired.
        paired: whether both have the same prompts.
        level: of the interval.

    Raises:
        UsageError: if the samples are no rows, or are paired and differ in length.

    Example:
        Differences 0, 1 and 2 have the mean 1 and the standard deviation 1, and for df = 2 the
        factor is 1 / sqrt(pi). The pairs 0, 2 and 2, 4 lie sqrt(2) apart, with the same factor.

        >>> round(hedges_g([1, 3, 5], [1, 2, 3], paired=True).value, 4)
        0.5642
        >>> round(hedges_g([0, 2], [2, 4]).value, 4)
        -0.7979
    """
    method = f"Hedges g{' of differences' if paired else ''}, noncentral t"
    x, y = _samples(first, second, paired=paired)
    n = min(len(x), len(y))
    if paired:
        x, y = x - y, np.zeros(1)
    degrees = len(x) + len(y) - 2
    # At one degree of freedom the factor is 0.
    if n < 1 or degrees < 2:
        return Estimate(None, None, None, n, method, "too few prompts")
    if constant(x) and constant(y):
        return Estimate(None, None, None, n, method, "the values have no spread")
    squares = ((x - x.mean()) ** 2).sum() + ((y - y.mean()) ** 2).sum()
    d = float((x.mean() - y.mean()) / math.sqrt(squares / degrees))
    size = float(n) if paired else len(x) * len(y) / (len(x) + len(y))
    return standardised(d, size, degrees, n, method=method, level=level)


def standardised(
    d: float, size: float, degrees: int, n: int, *, method: str, level: float = 0.95
) -> Estimate:
    """Return a difference in standard deviations as Hedges g.

    Args:
        d: the difference over the standard deviation, of `degrees` degrees of freedom.
        size: the variance of a value over that of the difference: n for a mean of n differences,
            n m / (n + m) for two groups.
        degrees: at least 2.
        n: number of independent prompts, in the smaller group if there are two.
        method: what it is.
        level: of the interval.
    """
    from scipy.special import gammaln

    log = gammaln(degrees / 2) - gammaln((degrees - 1) / 2) - math.log(degrees / 2) / 2
    low, high = (end / math.sqrt(size) for end in _shifts(d * math.sqrt(size), degrees, level))
    return Estimate(d * math.exp(float(log)), low, high, n, method)


def cliffs_delta(
    first: ArrayLike, second: ArrayLike, *, paired: bool = False, level: float = 0.95
) -> Estimate:
    """Return how much more often the first sample is larger than smaller, between -1 and 1.

    P(first > second) - P(first < second), over all pairs of values or, if paired, over prompts.
    The interval is Cliff's asymmetric one with the variance of both samples' dominances; if
    paired, or where the samples do not overlap, Wilson's, which is wide where many are equal.

    Args:
        first: one value a unit, as `unit_means` makes them; pairs or values that are not finite
            are left out.
        second: likewise, in the same order if paired.
        paired: whether both have the same prompts.
        level: of the interval.

    Raises:
        UsageError: if the samples are no rows, or are paired and differ in length.

    Example:
        >>> cliffs_delta([1, 2], [3, 4]).value
        -1.0
        >>> cliffs_delta([1, 3], [2, 4]).value
        -0.5
    """
    from scipy.special import ndtri

    method = f"Cliff's delta{' of pairs, Wilson' if paired else ', asymmetric'}"
    x, y = _samples(first, second, paired=paired)
    n = min(len(x), len(y))
    if n < 2:
        return Estimate(None, None, None, n, method, "too few prompts")
    z = float(ndtri((1 + level) / 2))
    if paired:
        delta = float(np.sign(x - y).mean())
        return Estimate(delta, *_wilson(delta, n, z), n, method)
    more, less = _dominance(x, y), -_dominance(y, x)
    delta = float(more.sum() / (len(x) * len(y)))
    if abs(delta) == 1.0:
        method = "Cliff's delta, Wilson"
        return Estimate(delta, *_wilson(delta, n, z), n, method)
    variance = float((more / len(y)).var(ddof=1) / len(x) + (less / len(x)).var(ddof=1) / len(y))
    if variance == 0.0:
        return Estimate(delta, None, None, n, method, "all values are equal")
    return Estimate(delta, *_asymmetric(delta, variance, z), n, method)


def _dominance(own: Floats, others: Floats) -> Floats:
    """Return how many of the others each value is larger than, less how many it is smaller than."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, own, side=side) for side in ("left", "right"))
    return np.asarray(below + upto - len(others), dtype=np.float64)


def _samples(first: ArrayLike, second: ArrayLike, *, paired: bool) -> tuple[Floats, Floats]:
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or y.ndim != 1 or (paired and len(x) != len(y)):
        raise UsageError(
            f"An effect size needs two rows of values, of equal length if paired, and got the "
            f"shapes {x.shape} and {y.shape}."
        )
    if paired:
        known = np.isfinite(x) & np.isfinite(y)
        return x[known], y[known]
    return x[np.isfinite(x)], y[np.isfinite(y)]


def _shifts(t: float, degrees: int, level: float) -> tuple[float, float]:
    """Return the smallest and largest noncentrality for which t is not unusual."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    chance = partial(noncentral_t, t, float(degrees))
    spread = math.sqrt(1.0 + t**2 / (2.0 * degrees))

    def end(share: float) -> float:
        # The chance falls in the shift. A normal variable's lies near, but for few degrees.
        near = t - float(ndtri(share)) * spread
        low, high = near - 0.1 * spread, near + 0.1 * spread
        if not chance(high) <= share <= chance(low):
            reach = 10.0 + 5.0 * abs(t)
            low, high = t - reach, t + reach
        return float(brentq(lambda shift: chance(shift) - share, low, high, xtol=1e-9))

    return end((1 + level) / 2), end((1 - level) / 2)


def _wilson(delta: float, n: int, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, for the difference of a share and its complement."""
    weight = z**2 / n
    half = math.sqrt(weight * (1 - delta**2 + weight))
    return (delta - half) / (1 + weight), (delta + half) / (1 + weight)


def _asymmetric(delta: float, variance: float, z: float) -> tuple[float, float]:
    spread = z**2 * variance
    half = math.sqrt(spread * ((1 - delta**2) ** 2 + spread))
    base = 1 - delta**2 + spread
    return (delta - delta**3 - half) / base, (delta - delta**3 + half) / base
