"""What is estimated of prompts: a figure, its interval, and what is to be known of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cortexscope.stats._limits import Bounds

__all__ = ["Estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval, or why it has none.

    Example:
        >>> found = Estimate(0.98, 0.973, 0.985, 168)
        >>> print(found)
        0.98 [0.973, 0.985], n = 168
        >>> f"r = {found:.2f}"
        'r = 0.98 [0.97, 0.98]'
        >>> print(Estimate(2.0, None, None, 1, reason="there is one prompt"))
        2 (no interval: there is one prompt), n = 1
    """

    value: float | None
    """None where it is undefined."""
    low: float | None
    """Lower end of the interval; None where it is undefined."""
    high: float | None
    """Upper end of the interval; None where it is undefined."""
    n: int
    """Number of independent prompts that it is of; of two groups, those of the smaller one."""
    method: str | None = None
    """What it is, or how its interval is made, in a few words."""
    reason: str | None = None
    """Why the value or its interval is undefined."""
    caution: str | None = None
    """Why the interval may hold the truth less often than it says."""

    @property
    def positive(self) -> bool | None:
        """Whether the whole interval lies above 0, or below; None where neither is so."""
        if self.low is not None and self.low > 0:
            return True
        return False if self.high is not None and self.high < 0 else None

    def within(self, bounds: Bounds) -> Estimate:
        """Return the same with the part of its interval that values can reach."""
        if self.low is None or self.high is None:
            return self
        lowest, highest = bounds
        low = self.low if lowest is None else min(max(self.low, lowest), self.high)
        high = self.high if highest is None else max(min(self.high, highest), low)
        return replace(self, low=float(low), high=float(high))

    def __format__(self, digits: str) -> str:
        """Return such as `0.980 [0.973, 0.985]`, where `digits` is `.3f`; by default, `.3g`."""
        digits = digits or ".3g"
        if self.value is None:
            return f"– ({self.reason})"
        if self.low is None or self.high is None:
            return f"{self.value:{digits}} (no interval: {self.reason})"
        return f"{self.value:{digits}} [{self.low:{digits}}, {self.high:{digits}}]"

    def __str__(self) -> str:
        """Return value, interval and n in three digits."""
        return f"{self:.3g}, n = {self.n}"
