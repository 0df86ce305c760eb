"""Ranks of the units of resamples by compiled code, for statistics: of numpy alone."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.native._library import call, is_there

__all__ = ["weigh_ranks"]


class _Ranks(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("counts", "order", "starts", "weighted")),
        *((name, ctypes.c_int64) for name in ("resamples", "units", "groups", "stride", "wide")),
    )


def weigh_ranks(
    counts: NDArray[Any],
    order: NDArray[np.intp],
    starts: NDArray[np.intp],
    weighted: NDArray[np.float64],
) -> bool:
    """Put each unit's rank in each resample in its place; return False without compiled code.

    Twice the mean rank of what ties with it, less twice the mean rank of all, times the square root
    of how often it was drawn.

    Args:
        counts: how often each unit was drawn, as many in each resample as there are units,
            [resample, unit], of 16 or 32 bits.
        order: the units from the lowest value on, [unit].
        starts: where in that order another value begins, [group].
        weighted: takes them, [resample, unit], each resample in one piece.
    """
    if counts.dtype not in (np.uint16, np.uint32) or not counts.flags.c_contiguous:
        return False
    if not is_there():
        return False
    assert weighted.dtype == np.float64
    assert weighted.strides[1] == weighted.itemsize or weighted.shape[1] < 2
    order, starts = (np.ascontiguousarray(own, dtype=np.int64) for own in (order, starts))
    job = _Ranks(
        counts=counts.ctypes.data, order=order.ctypes.data, starts=starts.ctypes.data,
        weighted=weighted.ctypes.data, resamples=len(counts), units=counts.shape[1],
        groups=len(starts), stride=weighted.strides[0] // weighted.itemsize,
        wide=counts.dtype == np.uint32,
    )  # fmt: skip
    call("weigh_ranks", job)
    return True
