"""How many prompts it takes to find an effect, and how likely it is to find it."""

from __future__ import annotations

import math

from cortexscope.errors import UsageError
from cortexscope.stats._noncentral import noncentral_t

__all__ = ["power_of", "prompts_needed"]

_MOST = 10**9


def power_of(n: int, effect: float, *, alpha: float = 0.05, paired: bool) -> float:
    """Return the chance that a two-sided t test finds an effect, between alpha and 1.

    An effect of 0 is "found" with the chance alpha. Permutation tests have the
    same power within about 1 point (`benchmarks/coverage.py`).

    Args:
        n: prompts, of each task where tasks are compared.
        effect: the difference of means in standard deviations; if paired, in those of the
            differences between the two models' values of a prompt.
        alpha: the largest p-value that counts as found.
        paired: whether the same prompts are compared (two models), or different ones (two tasks).

    Raises:
        UsageError: if there are fewer than 2 prompts, or alpha is not between 0 and 1.

    Example:
        >>> round(power_of(26, 0.8, paired=False), 3)
        0.807
    """
    if n < 2:
        raise UsageError(f"Power needs at least 2 prompts, and n is {n}.")
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha must lie between 0 and 1, and is {alpha}.")
    if not math.isfinite(effect):
        raise UsageError(f"An effect is a number of standard deviations, and is {effect}.")
    return _power(n, effect, alpha, paired)


def prompts_needed(effect: float, *, power: float = 0.8, alpha: float = 0.05, paired: bool) -> int:
    """Return how many prompts, of each task if not paired, find an effect with the given power.

    The smallest n for which `power_of` is at least `power`; two tasks that differ by 0.8 standard
    deviations need 26 prompts each, two models 15 prompts.

    Raises:
        UsageError: if the effect is 0 or so small that 10^9 prompts do not find it, or `power` is
            not between alpha and 1.

    Example:
        >>> prompts_needed(0.8, paired=False), prompts_needed(0.8, paired=True)
        (26, 15)
    """
    if not alpha < power < 1.0:
        raise UsageError(f"power must lie between alpha ({alpha}) and 1, and is {power}.")
    if power_of(2, effect, alpha=alpha, paired=paired) >= power:
        return 2
    low, high = 2, 4
    while _power(high, effect, alpha, paired) < power:
        low, high = high, 2 * high
        if high > _MOST:
            raise UsageError(f"No number of prompts up to 10^9 finds an effect of {effect}.")
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle, effect, alpha, paired) < power:
            low = middle
        else:
            high = middle
    return high


def _power(n: int, effect: float, alpha: float, paired: bool) -> float:
    from scipy.special import stdtrit

    degrees = n - 1 if paired else 2 * n - 2
    shift = abs(effect) * math.sqrt(n if paired else n / 2)
    critical = float(stdtrit(degrees, 1 - alpha / 2))
    # By symmetry the upper tail is a lower one.
    upper, lower = (noncentral_t(-critical, float(degrees), way * shift) for way in (-1, 1))
    return min(upper + lower, 1.0)
