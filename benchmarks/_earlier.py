"""The interval of a mean that cortexscope 0.1 began with, kept to be compared with.

A bootstrap-t with a small-sample correction of five constants, which were fitted to simulations of
normal, uniform, Student's t, log-normal and exponential values and of two humps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["earlier_interval"]

Floats = NDArray[np.float64]


def earlier_interval(
    units: Floats, rng: np.random.Generator, resamples: int = 999
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of units, which are not all the same."""
    n, centre = len(units), float(units.mean())
    away = units - centre
    error = float(units.std(ddof=1)) / math.sqrt(n)
    drawn = away[rng.integers(n, size=(resamples, n))]
    shifts, errors = drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / math.sqrt(n)
    errors[errors <= 1e-12 * np.abs(units).max()] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sort(np.nan_to_num(shifts / errors, nan=0.0, posinf=np.inf, neginf=-np.inf))
    below = float(ratios[math.floor(0.025 * (resamples - 1))])
    above = float(ratios[math.ceil(0.975 * (resamples - 1))])
    if not np.isfinite(above - below):
        half = float(stdtrit(n - 1, 0.975)) * error
        return centre - half, centre + half
    if below < 0 < above:
        kurtosis = n * float((away**4).sum()) / float((away**2).sum()) ** 2
        kurtosis *= (n + 1) / (3 * (n - 1))
        few = 10 / max(n, 10)
        scale = kurtosis ** (8 / n) * min(kurtosis / 0.78, 1.0) ** (2.4 * few**1.6)
        scale *= math.exp(0.19 * few**2)
        ratio = (-below / above) ** (8 / n)
        below, above = below * scale * max(ratio, 1.0), above * scale * max(1 / ratio, 1.0)
    return centre - above * error, centre - below * error
