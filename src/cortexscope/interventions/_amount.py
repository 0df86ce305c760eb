"""How much, as a number or as a share."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Amount"]


class Amount(NamedTuple):
    """A number, or a share of what there is."""

    value: int | float
    """Of a share from 0 to 1."""
    share: bool = False

    @classmethod
    def parse(cls, text: str) -> Amount | None:
        """Return what a user typed, None where it is no finite number.

        Example:
            >>> Amount.parse("40%"), Amount.parse("0.01"), Amount.parse("much")
            (Amount(value=0.4, share=True), Amount(value=0.01, share=False), None)
        """
        share = text.endswith("%")
        try:
            value = float(text.removesuffix("%"))
        except ValueError:
            return None
        if not math.isfinite(value):
            return None
        return cls(value / 100 if share else value, share)

    def __str__(self) -> str:
        if not self.share:
            return _plain(self.value)
        # The shortest text that gives the same share again: 100 times a number is rounded.
        tries = (round(100 * self.value, digits) for digits in range(18))
        percent = next((x for x in tries if x / 100 == self.value), 100 * self.value)
        return f"{_plain(percent)}%"


def _plain(value: int | float) -> str:
    return repr(float(value)).removesuffix(".0")
