"""Which axes are logarithmic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDE", "is_wide"]

WIDE = 20.0
"""Positive values that span more than this factor are drawn on a logarithmic axis."""


def is_wide(values: NDArray[np.float64]) -> bool:
    """Return whether values are positive and span so much that most would lie flat otherwise."""
    return bool(values.size and values.min() > 0 and values.max() > WIDE * values.min())
