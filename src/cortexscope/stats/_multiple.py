"""p-values of many tests, adjusted so that chance does not pass for a finding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError

__all__ = ["benjamini_hochberg", "holm"]

Floats = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted by Holm, in the order given.

    Rejecting those of at most alpha errs even once in a family with a chance of at most alpha,
    however the tests depend on one another. NaN stays NaN and does not count as a test.

    Raises:
        UsageError: if a p-value is not between 0 and 1.

    Example:
        >>> holm([0.01, 0.5, 0.02]).tolist()
        [0.03, 0.5, 0.04]
    """
    return _adjusted(p_values, lambda p: np.maximum.accumulate(p * np.arange(len(p), 0, -1)))


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted by Benjamini and Hochberg, in the order given.

    Of those of at most alpha, a share of at most alpha is expected to be false, where tests are
    independent or depend positively. NaN stays NaN and does not count as a test.

    Raises:
        UsageError: if a p-value is not between 0 and 1.

    Example:
        >>> benjamini_hochberg([0.01, 0.5, 0.02]).tolist()
        [0.03, 0.5, 0.03]
    """

    def stepped(p: Floats) -> Floats:
        return np.minimum.accumulate((p * (len(p) / np.arange(1, len(p) + 1)))[::-1])[::-1]

    return _adjusted(p_values, stepped)


def _adjusted(p_values: ArrayLike, of_sorted: Callable[[Floats], Floats]) -> Floats:
    values = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise UsageError("A p-value lies between 0 and 1; give p-values to adjust.")
    adjusted = np.full(values.shape, np.nan)
    order = np.argsort(values[known], kind="stable")
    found = np.empty(len(order))
    found[order] = np.minimum(of_sorted(values[known][order]), 1.0)
    adjusted[known] = found
    return adjusted
