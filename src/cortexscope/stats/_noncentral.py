"""The noncentral t and F distributions: what t and F are where there is an effect."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["explained_interval", "noncentral_f", "noncentral_t"]

# Beyond exp(-37) a density is below the rounding of 1.
_REACH = 37.0
_POINTS = 601
# A sum of squares of an effect, in those of residuals, beside which its own spread is nothing.
_SURE = 1e7


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


def noncentral_f(f: float, df: float, df_residual: float, shift: float) -> float:
    """Return the chance that F is at most f where its noncentrality is `shift`.

    The mean of beta distributions over a Poisson number of further degrees of freedom.

    Example:
        >>> round(noncentral_f(4.0, 1.0, 8.0, 0.0), 4)
        0.9195
    """
    from scipy.special import betainc, gammaln, xlogy

    middle, reach = shift / 2.0, 9.0 * np.sqrt(shift / 2.0) + 40.0
    more = np.arange(max(np.floor(middle - reach), 0.0), middle + reach)
    weights = np.exp(xlogy(more, middle) - middle - gammaln(more + 1.0))
    share = df * f / (df * f + df_residual)
    return float(weights @ betainc(df / 2.0 + more, df_residual / 2.0, share))


def explained_interval(
    f: float, df: int, df_residual: int, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the share of variance that an effect with this F explains.

    The noncentralities under which F would be this large or small as seldom as `level` says, as
    shares of what the effect and the residuals are together (Steiger 2004, Psychological Methods 9,
    164-182). It takes residuals for normal, with one spread.

    Args:
        f: finite and not below 0, of an effect with `df` degrees of freedom beside `df_residual`.
        df: above 0.
        df_residual: above 0.
        level: of the interval.

    Example:
        >>> low, high = explained_interval(6.5, 11, 492)
        >>> round(low, 3), round(high, 3)
        (0.061, 0.164)
    """
    from scipy.optimize import brentq
    from scipy.special import chdtri

    def shift(chance: float) -> float:
        if df * f > _SURE:
            # Beside so large an effect only the residuals vary.
            return float(df * f * chdtri(df_residual, chance) / df_residual)
        if noncentral_f(f, df, df_residual, 0.0) <= chance:
            return 0.0
        most = 2.0 * df * f + 50.0
        while noncentral_f(f, df, df_residual, most) > chance:
            most *= 2.0
        return float(brentq(lambda own: noncentral_f(f, df, df_residual, own) - chance, 0.0, most))

    low, high = (shift((1.0 + sign * level) / 2.0) for sign in (1, -1))
    units = df + df_residual + 1
    return low / (low + units), high / (high + units)
