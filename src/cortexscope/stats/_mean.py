"""The mean of a quantity over prompts, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mean", "mean_of"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, or why there is none."""

    value: float | None
    """None where no prompt has a value."""
    low: float | None
    """Lower end of the interval; None where it is undefined."""
    high: float | None
    """Upper end of the interval; None where it is undefined."""
    n: int
    """Number of prompts that have a value."""
    reason: str | None = None
    """Why the value or its interval is undefined."""


def mean_of(values: NDArray[np.float64], *, confidence: float = 0.95) -> Mean:
    """Return the mean over prompts with Student's interval, which takes them as independent.

    mean ± t sd / sqrt(n), with sd of divisor n - 1 and t of n - 1 degrees of freedom. Values 1 and
    3 have the mean 2 and, with t = 12.71, the interval -10.71 to 14.71.

    Args:
        values: one a prompt; NaN where undefined, which is left out.
        confidence: of the interval.

    Example:
        >>> mean_of(np.array([1.0, 3.0, np.nan]))
        Mean(value=2.0, low=-10.70..., high=14.70..., n=2, reason=None)
    """
    from scipy.special import stdtrit

    known = values[~np.isnan(values)]
    n = len(known)
    if n == 0:
        return Mean(None, None, None, 0, "no prompt has a value")
    mean = float(known.mean())
    if n == 1:
        return Mean(mean, None, None, 1, "one prompt tells nothing about the spread")
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * float(known.std(ddof=1)) / math.sqrt(n)
    return Mean(mean, mean - half, mean + half, n)
