"""The noncentral t distribution, which says what t is where there is an effect."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["noncentral_t"]

# Beyond exp(-37) a density is below the rounding of 1.
_REACH = 37.0
_POINTS = 601


def noncentral_t(t: float, degrees: float, shift: float) -> float:
    """Return the chance that (z + shift) / s is at most t, with z normal and s the root of a mean.

    s is the square root of a chi-squared variable over its `degrees`, which are at least 1; the
    mean of the normal chances given s is taken over the logarithm of s, where the trapezoidal rule
    is all but exact. (That of scipy 1.17 is NaN far out in the tails.)

    Example:
        >>> round(noncentral_t(0.0, 5.0, 1.96), 3)
        0.025
    """
    from scipy.special import ndtr

    roots, density, total = _roots(degrees)
    return float(density @ ndtr(t * roots - shift) / total)


@lru_cache(maxsize=64)
def _roots(degrees: float) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return values of s, the density of log s up to a factor, and the sum of that."""
    width = np.sqrt(_REACH / degrees)
    logs = np.linspace(-_REACH / degrees - width, width, _POINTS)
    # Exponents are of the order of 0 near the peak.
    density = np.exp(degrees * (logs - np.expm1(2.0 * logs) / 2.0))
    return np.exp(logs), density, density.sum()
