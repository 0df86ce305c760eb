"""To how many bits measured values are kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cortexscope.store._schema import MEASUREMENTS

__all__ = ["kept"]

_DROPPED = 28
"""Of the 52 bits of a double behind its first: 25 significant bits are left, one more than of the
float32 that values are made of. What is dropped is noise of the pass, and half of a file."""


def kept(table: pa.Table, dtype: str) -> pa.Table:
    """Return measurements in the columns of the contract, those of heads rounded to what they tell.

    Values of heads are most of all, and are made of attention in float32: the nearest double with
    25 significant bits is kept of them, which is at most 3e-8 of a value away. All other values,
    and those of a model that computes in float64, stay as they are.

    Args:
        table: of one model.
        dtype: of the model's weights.
    """
    table = table.cast(MEASUREMENTS)
    if dtype == "float64":
        return table
    place = MEASUREMENTS.get_field_index("value")
    values = table["value"].combine_chunks()
    of_head = np.asarray(table["head"].combine_chunks().is_valid())
    rounded = _rounded(values, of_head)
    return table.set_column(place, MEASUREMENTS.field(place), rounded)


def _rounded(values: pa.Array, where: NDArray[np.bool_]) -> pa.Array:
    """Return values rounded to the nearest, of two equally near the one that ends in more zeros."""
    missing = np.asarray(values.is_null())
    bits = values.fill_null(0.0).to_numpy(zero_copy_only=False).view(np.uint64)
    shift, one = np.uint64(_DROPPED), np.uint64(1)
    up = (one << (shift - one)) - one + ((bits >> shift) & one)
    rounded = np.where(where, (bits + up) >> shift << shift, bits)
    return pa.array(rounded.view(np.float64), pa.float64(), mask=missing)
