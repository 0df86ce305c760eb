"""Whether a printed figure is what a number rounds to."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

__all__ = ["agreeing", "agrees", "decimals_of", "is_number", "shown", "unit_of"]

# Digits of a double that is written in full; its last ones are noise.
_FULL = 12


def is_number(text: str) -> bool:
    """Return whether a text is a finite number, such as `-0.315`."""
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def decimals_of(text: str) -> int:
    """Return how many digits stand behind the point: 3 in `-0.315`, 0 in `24`."""
    exponent = Decimal(text).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def unit_of(text: str) -> float:
    """Return one unit of the last printed digit: 0.001 of `-0.315`."""
    return float(10.0 ** -decimals_of(text))


def agrees(printed: str, value: float, *, slack: float = 0.0) -> bool:
    """Return whether `value` rounds to a printed figure, in the digits printed.

    A half may be rounded either way. A figure printed with more than 12 digits is taken as a double
    in full, which agrees to 9 digits.

    Args:
        printed: the figure as it stands.
        value: what it should be.
        slack: how far `value` itself may be off, where it is made of rounded figures.

    Example:
        >>> agrees("0.28", 0.275), agrees("0.27", 0.275), agrees("0.27", 0.2751)
        (True, True, False)
    """
    return bool(agreeing(printed, np.array([value]), slack=slack)[0])


def agreeing(printed: str, values: NDArray[np.float64], *, slack: float = 0.0) -> NDArray[np.bool_]:
    """Return which of several numbers round to a printed figure, as `agrees` has it."""
    number, sizes = Decimal(printed), np.abs(values)
    reach = np.full(len(values), 0.5 * unit_of(printed) + slack)
    if len(number.as_tuple().digits) > _FULL:
        reach = np.maximum(reach, 1e-9 * sizes)
    return np.asarray(np.abs(float(number) - values) <= reach * (1 + 1e-9) + 1e-12 * sizes)


def shown(value: float, printed: str, *, more: int = 2) -> str:
    """Return a number in a few digits more than those printed, for telling them apart.

    Example:
        >>> shown(51.092683333, "51.0928")
        '51.092683'
    """
    return f"{value:.{min(decimals_of(printed) + more, 12)}f}" if value == value else "undefined"
