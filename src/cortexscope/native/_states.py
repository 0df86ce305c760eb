"""Reductions of states by compiled code: one reading gives several of them."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.native._library import call, is_there, threads

__all__ = ["Central", "Sizes", "below", "central", "products", "sizes", "takes_states"]

_Integer, _Pointer = ctypes.c_int64, ctypes.c_void_p


class _States(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("values", "others", "thresholds")),
        *(
            (name, _Integer)
            for name in (
                "rows",
                "width",
                "stride",
                "other_stride",
                "threshold_stride",
                "or_equal",
            )
        ),
        *(
            (name, _Pointer)
            for name in (
                "sums",
                "sizes",
                "norms",
                "largest",
                "means",
                "seconds",
                "fourths",
                "below",
                "products",
            )
        ),
        ("next", _Integer),
    )


class Sizes(NamedTuple):
    """How large each row is."""

    sums: Float[Tensor, "prompt token"]
    sizes: Float[Tensor, "prompt token"]
    """The l1 norm."""
    norms: Float[Tensor, "prompt token"]
    """The l2 norm."""
    largest: Float[Tensor, "prompt token"]
    """The largest size of an entry."""


class Central(NamedTuple):
    """The mean of each row, and the sums of the second and fourth powers about it."""

    means: Float[Tensor, "prompt token"]
    seconds: Float[Tensor, "prompt token"]
    fourths: Float[Tensor, "prompt token"]


def takes_states(values: Tensor) -> bool:
    """Return whether such states can be reduced by compiled code."""
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and values.dim() == 3
        and values.shape[-1] > 0
        and is_there()
    )


def sizes(values: Float[Tensor, "prompt token feature"]) -> Sizes:
    """Return how large each row is."""
    made = values.new_empty((4, *values.shape[:2]))
    rows = _rows(values)
    _reduce(rows, sums=made[0], sizes=made[1], norms=made[2], largest=made[3])
    return Sizes(*made)


def central(values: Float[Tensor, "prompt token feature"]) -> Central:
    """Return the moments of each row."""
    made = values.new_empty((3, *values.shape[:2]))
    _reduce(_rows(values), means=made[0], seconds=made[1], fourths=made[2])
    return Central(*made)


def below(
    values: Float[Tensor, "prompt token feature"],
    threshold: float | Float[Tensor, "prompt token"],
    *,
    or_equal: bool = False,
) -> Float[Tensor, "prompt token"]:
    """Return how many entries of each row are smaller than a threshold, or as small if asked."""
    made = values.new_empty(values.shape[:2])
    if isinstance(threshold, Tensor):
        limits = threshold.float().contiguous()
    else:
        limits = values.new_tensor(threshold)
    _reduce(
        _rows(values),
        below=made,
        thresholds=limits,
        threshold_stride=int(limits.dim() > 0),
        or_equal=int(or_equal),
    )
    return made


def products(
    values: Float[Tensor, "prompt token feature"], others: Float[Tensor, "prompt token feature"]
) -> Float[Tensor, "prompt token"]:
    """Return the product of each row with another one."""
    made, other = values.new_empty(values.shape[:2]), _rows(others)
    _reduce(_rows(values), products=made, others=other, other_stride=other.stride(0))
    return made


def _rows(values: Tensor) -> Tensor:
    """Return states as a matrix whose rows lie side by side."""
    values = values.detach()
    values = values if values.stride(-1) == 1 else values.contiguous()
    return values.reshape(-1, values.shape[-1])


def _reduce(rows: Tensor, **asked: Tensor | int) -> None:
    given = {
        name: value.data_ptr() if isinstance(value, Tensor) else value
        for name, value in asked.items()
    }
    job = _States(
        values=rows.data_ptr(),
        rows=rows.shape[0],
        width=rows.shape[1],
        stride=rows.stride(0),
        **given,
    )
    call("reduce_states", job, threads(rows.numel()))
