"""Rows grouped and added by compiled code: of numpy alone, and other threads go on meanwhile.

Numpy's own ways hold back all other threads, so that several files took as long as one by one.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from cortexscope.native._library import call, is_there

__all__ = ["group_sums", "numbered_groups"]

_Integer, _Pointer = ctypes.c_int64, ctypes.c_void_p


class _Groups(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("codes", "places", "first")),
        *((name, _Integer) for name in ("rows", "size", "found")),
    )


class _Added(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("groups", "values", "known", "sums", "counts")),
        ("rows", _Integer),
    )


def numbered_groups(
    codes: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the first row of each code that is there, in their order, and each row's place in it.

    Args:
        codes: of the rows, [row], from 0 to below `size`; not to be used any more.
        size: memory is taken for so many.

    Returns:
        [group] and [row]; None where there is no compiled code.
    """
    if not is_there():
        return None
    codes = np.ascontiguousarray(codes, dtype=np.int64)
    places, first = np.zeros(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    job = _Groups(
        codes=codes.ctypes.data, places=places.ctypes.data, first=first.ctypes.data,
        rows=len(codes), size=size,
    )  # fmt: skip
    call("number_groups", job)
    return first[: job.found].copy(), codes


def group_sums(
    groups: NDArray[np.int64],
    size: int,
    values: NDArray[np.float64],
    known: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return the sum and the number of each group's values, which are added row after row.

    Args:
        groups: of the rows, [row], from 0 to below `size`.
        size: how many groups there are.
        values: [row].
        known: which rows count; all where None.

    Returns:
        [group] each; None where there is no compiled code.
    """
    if not is_there():
        return None
    groups = np.ascontiguousarray(groups, dtype=np.int64)
    values = np.ascontiguousarray(values, dtype=np.float64)
    known = None if known is None else np.ascontiguousarray(known)
    sums, counts = np.zeros(size), np.zeros(size, dtype=np.int64)
    job = _Added(
        groups=groups.ctypes.data, values=values.ctypes.data,
        known=None if known is None else known.ctypes.data,
        sums=sums.ctypes.data, counts=counts.ctypes.data, rows=len(groups),
    )  # fmt: skip
    call("add_groups", job)
    return sums, counts
