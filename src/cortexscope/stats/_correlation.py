"""Correlation of two quantities over prompts, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant
from cortexscope.stats._estimate import Estimate

__all__ = ["pearson"]

_FEWEST = 4
_METHOD = "Pearson's r, Fisher's interval"


def pearson(
    x: Sequence[float | int] | NDArray[np.float64],
    y: Sequence[float | int] | NDArray[np.float64],
    *,
    confidence: float = 0.95,
    names: tuple[str, str] = ("x", "y"),
) -> Estimate:
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
        '0.8 [-0.28, 0.986], n = 5'
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
        return Estimate(None, None, None, n, _METHOD, f"fewer than {_FEWEST} values")
    for values, name in ((first, names[0]), (second, names[1])):
        if constant(values):
            return Estimate(None, None, None, n, _METHOD, f"{name} is the same throughout")
    a, b = first - first.mean(), second - second.mean()
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    r = float(np.clip(np.dot(a, b), -1.0, 1.0))
    if 1.0 - abs(r) < 1e-12:
        reason = "all points lie on one line"
        return Estimate(math.copysign(1.0, r), None, None, n, _METHOD, reason)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) / math.sqrt(n - 3)
    low, high = (math.tanh(math.atanh(r) + side * reach) for side in (-1, 1))
    return Estimate(r, low, high, n, _METHOD)
