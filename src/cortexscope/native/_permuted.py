"""Sums of permuted values times columns by compiled code, for statistics: of numpy alone."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.native._library import call, is_there

__all__ = ["permuted_sums"]

_SIDE = 8
"""Columns that the compiled code takes side by side."""


class _Permuted(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("values", "orders", "columns", "sums")),
        *((name, ctypes.c_int64) for name in ("units", "permutations", "parts", "wide")),
    )


def permuted_sums(
    values: NDArray[np.float64], orders: NDArray[Any], columns: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the sums of permuted values times columns, [permutation, column].

    Other threads go on meanwhile. The terms of a sum are added in the order of the units, so that
    it is the same however many permutations are asked for.

    Args:
        values: [unit].
        orders: permutations of the units, [permutation, unit], of 16 or 32 bits.
        columns: [unit, column].

    Returns:
        None where there is no compiled code for them.
    """
    if orders.dtype not in (np.uint16, np.uint32) or not orders.flags.c_contiguous:
        return None
    if not is_there():
        return None
    units, count = columns.shape
    parts = -(-count // _SIDE)
    padded = np.zeros((units, parts * _SIDE))
    padded[:, :count] = columns
    padded = np.ascontiguousarray(padded.reshape(units, parts, _SIDE).swapaxes(0, 1))
    values = np.ascontiguousarray(values, dtype=np.float64)
    sums = np.empty((parts, len(orders), _SIDE))
    job = _Permuted(
        values=values.ctypes.data, orders=orders.ctypes.data, columns=padded.ctypes.data,
        sums=sums.ctypes.data, units=units, permutations=len(orders), parts=parts,
        wide=orders.dtype == np.uint32,
    )  # fmt: skip
    call("sum_permuted", job)
    return sums.swapaxes(0, 1).reshape(len(orders), parts * _SIDE)[:, :count]
