"""What intervals are made of: bounds, quantiles, ends, and when to be cautious of them."""

from __future__ import annotations

import math

__all__ = [
    "FEWEST",
    "SKEWED",
    "UNBOUNDED",
    "Bounds",
    "cautious",
    "of_differences",
    "skewed_ends",
    "student",
    "wilson",
]

Bounds = tuple[int | float | None, int | float | None]
"""Lowest and highest value possible; None where there is none."""

UNBOUNDED: Bounds = (None, None)

FEWEST = 10
"""The smallest number of independent prompts at which intervals hold about as often as they say."""

SKEWED = "farther ends of Student's t and Hall's transformation"
"""How `skewed_ends` are found."""

# n > 25 G1^2 (Cochran 1977), whose G1 / sqrt(n) is the skewness of the mean itself.
_COCHRAN = 25.0


def student(degrees: int | float, level: float) -> float:
    """Return the quantile of Student's t that leaves half of 1 - level above it."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def skewed_ends(
    estimate: float, error: float, degrees: int | float, skewness: float, level: float
) -> tuple[float, float]:
    """Return the farther ends of Student's interval and of that by Hall's transformation.

    Hall (1992, J. R. Stat. Soc. B 54, 221-228): T + k T^2 / 3 + k^2 T^3 / 27 + k / 6 is about
    normal where T, the estimate's distance in standard errors, is skewed. For few values it takes
    Student's quantiles, as Johnson does (1978, JASA 73, 536-544).

    Args:
        estimate: that is linear in independent values, such as a mean.
        error: its standard error, above 0.
        degrees: of freedom of the error.
        skewness: k, of the estimate itself; for a mean that of the values over sqrt(n).
        level: share of such intervals that hold the truth.
    """
    quantile = student(degrees, level)
    low, high = (
        estimate - error * side * max(side * _unskewed(side * quantile, skewness), quantile)
        for side in (1, -1)
    )
    return low, high


def _unskewed(quantile: float, skewness: float) -> float:
    if abs(skewness) < 1e-8:
        return quantile
    third = skewness / 3.0
    return (math.cbrt(1.0 + 3.0 * third * (quantile - skewness / 6.0)) - 1.0) / third


def cautious(n: int, skewness: float) -> str | None:
    """Return why an interval may hold the truth less often than it says; None where nothing does.

    Args:
        n: number of independent prompts, in the smaller group if there are two.
        skewness: of the estimate itself, for a mean that of the values over sqrt(n). By Cochran's
            rule (1977, Sampling Techniques, 2.15; n > 25 G1^2) it should lie below a fifth.
    """
    if n < FEWEST:
        return f"fewer than {FEWEST} independent prompts"
    needed = math.ceil(_COCHRAN * skewness**2 * n)
    if needed < n:
        return None
    return f"strongly skewed: Cochran's rule asks for more than {needed} such prompts, not {n}"


def wilson(share: float, n: int, level: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share of n independent prompts."""
    from scipy.special import ndtri

    weight = float(ndtri((1 + level) / 2)) ** 2 / n
    half = math.sqrt(weight * (share * (1 - share) + weight / 4))
    low, high = ((share + weight / 2 + side * half) / (1 + weight) for side in (-1, 1))
    return max(low, 0.0), min(high, 1.0)


def of_differences(bounds: Bounds) -> Bounds:
    """Return the bounds of a difference of two values that have these."""
    lowest, highest = bounds
    if lowest is None or highest is None:
        return UNBOUNDED
    return lowest - highest, highest - lowest
