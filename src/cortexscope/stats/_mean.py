"""The mean of a quantity over prompts, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._interval import mean_interval
from cortexscope.stats._limits import UNBOUNDED, Bounds

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
    caution: str | None = None
    """Why the interval may hold the true mean less often than it says."""


def mean_of(
    values: NDArray[np.float64], *, confidence: float = 0.95, bounds: Bounds = UNBOUNDED
) -> Mean:
    """Return the mean over independent prompts with its interval, as `interval` makes it.

    Args:
        values: one a prompt; NaN where undefined, which is left out.
        confidence: of the interval.
        bounds: lowest and highest value possible.

    Example:
        >>> found = mean_of(np.array([1.0, 3.0, np.nan]))
        >>> (found.value, round(found.low, 2), round(found.high, 2), found.n)
        (2.0, -10.71, 14.71, 2)
    """
    known = values[~np.isnan(values)]
    found = mean_interval(known, confidence, bounds)
    mean = float(known.mean()) if len(known) else None
    return Mean(mean, found.low, found.high, len(known), found.reason, found.caution)
