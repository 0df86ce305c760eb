"""Correlation of two quantities over prompts, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cortexscope.errors import UsageError

__all__ = ["Correlation", "pearson"]

_FEWEST = 4
# Below this spread relative to the mean, what varies is rounding (the limit scipy warns at).
_CONSTANT = 1e-13


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation coefficient, or why there is none."""

    r: float | None
    """Between -1 and 1; None where it is undefined."""
    low: float | None
    """Lower end of the interval; None where it is undefined."""
    high: float | None
    """Upper end of the interval; None where it is undefined."""
    n: int
    """Number of pairs in which both quantities are known."""
    reason: str | None = None
    """Why `r` or its interval is undefined."""

    def __str__(self) -> str:
        """Return such as `r = 0.980 [0.973, 0.985], n = 168`."""
        if self.r is None:
            return f"r = – ({self.reason}), n = {self.n}"
        if self.low is None or self.high is None:
            return f"r = {self.r:.3f} (no interval: {self.reason}), n = {self.n}"
        return f"r = {self.r:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n}"


def _constant(values: NDArray[np.float64]) -> bool:
    centre = float(values.mean())
    spread = float(np.linalg.norm(values - centre))
    return spread <= _CONSTANT * abs(centre) * math.sqrt(len(values))


def pearson(
    x: Sequence[float | int] | NDArray[np.float64],
    y: Sequence[float | int] | NDArray[np.float64],
    *,
    confidence: float = 0.95,
    names: tuple[str, str] = ("x", "y"),
) -> Correlation:
    """Return Pearson's r of two quantities with Fisher's interval.

    The interval is tanh(atanh r ± z / sqrt(n - 3)). Points on a rising line have r = 1, on a
    falling one r = -1; both have no interval. Pairs with a value that is not finite are left out.

    Args:
        x: the first quantity, [n].
        y: the second quantity, [n].
        confidence: share of such intervals that hold the true correlation, between 0 and 1.
        names: what a reason calls the two quantities.

    Raises:
        UsageError: if the lengths differ or `confidence` is not between 0 and 1.

    Example:
        >>> str(pearson([1, 2, 3, 4, 5], [1, 3, 2, 5, 4]))
        'r = 0.800 [-0.280, 0.986], n = 5'
        >>> pearson([1, 2], [3, 4]).reason
        'fewer than 4 values'
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise UsageError(
            f"A correlation needs two rows of equal length, and got the shapes {first.shape} "
            f"and {second.shape}; give one pair a prompt."
        )
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"confidence must lie between 0 and 1, and is {confidence}.")
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    n = len(first)
    if n < _FEWEST:
        return Correlation(None, None, None, n, f"fewer than {_FEWEST} values")
    for values, name in ((first, names[0]), (second, names[1])):
        if _constant(values):
            return Correlation(None, None, None, n, f"{name} is the same throughout")
    a, b = first - first.mean(), second - second.mean()
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    r = float(np.clip(np.dot(a, b), -1.0, 1.0))
    if 1.0 - abs(r) < 1e-12:
        return Correlation(math.copysign(1.0, r), None, None, n, "all points lie on one line")
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) / math.sqrt(n - 3)
    return Correlation(r, math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach), n)
