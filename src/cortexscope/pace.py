"""How far something is, and how fast."""

from __future__ import annotations

import time

__all__ = ["Pace"]


class Pace:
    """Counts the tokens of a model that are measured.

    Args:
        tokens: all of them.
        done: those that were measured before.
    """

    def __init__(self, tokens: int, done: int) -> None:
        self.tokens, self.done = tokens, done
        self.new = 0
        """Measured since it began."""
        self._started = self._said = time.perf_counter()

    @property
    def rate(self) -> float:
        """Return tokens a second since it began."""
        return self.new / max(time.perf_counter() - self._started, 1e-9)

    def advance(self, tokens: int) -> None:
        """Count further tokens."""
        self.done += tokens
        self.new += tokens

    def due(self, seconds: float) -> bool:
        """Return whether it is so long ago that this was last true; it is now."""
        now = time.perf_counter()
        if now - self._said < seconds:
            return False
        self._said = now
        return True
