"""Reductions of states by compiled code: one reading gives several of them."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.native._library import call, is_there, threads

__all__ = [
    "Central",
    "Rows",
    "Sizes",
    "below",
    "central",
    "medians",
    "products",
    "sizes",
    "takes_states",
]

_Integer, _Pointer = ctypes.c_int64, ctypes.c_void_p


class _States(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("values", "others", "thresholds", "places")),
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


class _Medians(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("values", "places", "tokens")),
        *((name, _Integer) for name in ("prompts", "rows", "width", "stride")),
        ("medians", _Pointer),
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


class Rows(NamedTuple):
    """States as they lie in memory, all of them or some rows of each prompt."""

    values: Float[Tensor, "prompt token feature"]
    where: Int[Tensor, "prompt place"] | None = None
    """Which tokens of each prompt; all where None."""

    @property
    def shape(self) -> torch.Size:
        """Prompts and rows of each."""
        return self.values.shape[:2] if self.where is None else self.where.shape

    @property
    def places(self) -> Int[Tensor, "prompt row"]:
        """The number of each row among all rows as they lie."""
        prompts, tokens = self.values.shape[:2]
        where = torch.arange(tokens) if self.where is None else self.where
        return (where + tokens * torch.arange(prompts)[:, None]).contiguous()


def takes_states(values: Tensor) -> bool:
    """Return whether such states can be reduced by compiled code."""
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and values.dim() == 3
        and values.shape[-1] > 0
        and is_there()
    )


def sizes(rows: Rows) -> Sizes:
    """Return how large each row is."""
    made = rows.values.new_empty((4, *rows.shape))
    _reduce(rows, sums=made[0], sizes=made[1], norms=made[2], largest=made[3])
    return Sizes(*made)


def central(rows: Rows) -> Central:
    """Return the moments of each row."""
    made = rows.values.new_empty((3, *rows.shape))
    _reduce(rows, means=made[0], seconds=made[1], fourths=made[2])
    return Central(*made)


def below(
    rows: Rows, threshold: float | Float[Tensor, "prompt row"], *, or_equal: bool = False
) -> Float[Tensor, "prompt row"]:
    """Return how many entries of each row are smaller than a threshold, or as small if asked."""
    made = rows.values.new_empty(rows.shape)
    if isinstance(threshold, Tensor):
        limits = threshold.float().expand(rows.shape).contiguous()
    else:
        limits = made.new_tensor(threshold)
    _reduce(
        rows,
        below=made,
        thresholds=limits,
        threshold_stride=int(limits.dim() > 0),
        or_equal=int(or_equal),
    )
    return made


def products(
    rows: Rows, others: Float[Tensor, "prompt token feature"]
) -> Float[Tensor, "prompt row"]:
    """Return the product of each row with that of other states in the same place."""
    made, other = rows.values.new_empty(rows.shape), _matrix(others)
    _reduce(rows, products=made, others=other, other_stride=other.stride(0))
    return made


def medians(rows: Rows, tokens: Bool[Tensor, "prompt row"]) -> Float[Tensor, " prompt"]:
    """Return the lower median of the sizes of each prompt's entries, infinite without any.

    Args:
        rows: of the prompts.
        tokens: which of them count.
    """
    matrix, places, mask = _matrix(rows.values), rows.places, tokens.contiguous()
    made = rows.values.new_empty(rows.shape[0])
    job = _Medians(
        values=matrix.data_ptr(),
        places=places.data_ptr(),
        tokens=mask.data_ptr(),
        prompts=rows.shape[0],
        rows=rows.shape[1],
        width=matrix.shape[1],
        stride=matrix.stride(0),
        medians=made.data_ptr(),
    )
    call("find_medians", job, threads(8 * rows.shape.numel() * matrix.shape[1]))
    return made


def _matrix(values: Tensor) -> Tensor:
    """Return states as a matrix whose rows lie side by side."""
    values = values.detach()
    values = values if values.stride(-1) == 1 else values.contiguous()
    return values.reshape(-1, values.shape[-1])


def _reduce(rows: Rows, **asked: Tensor | int) -> None:
    matrix, places = _matrix(rows.values), None if rows.where is None else rows.places
    given = {
        name: value.data_ptr() if isinstance(value, Tensor) else value
        for name, value in asked.items()
    }
    job = _States(
        values=matrix.data_ptr(),
        places=0 if places is None else places.data_ptr(),
        rows=rows.shape.numel(),
        width=matrix.shape[1],
        stride=matrix.stride(0),
        **given,
    )
    call("reduce_states", job, threads(rows.shape.numel() * matrix.shape[1]))
