"""Reductions of states by compiled code: one reading gives many of them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.native._library import call, is_there, threads

__all__ = [
    "MOMENTS",
    "SIZES",
    "Massive",
    "PromptSizes",
    "Rows",
    "prompt_sizes",
    "row_sizes",
    "takes_states",
]

_Integer, _Pointer, _Double = ctypes.c_int64, ctypes.c_void_p, ctypes.c_double

SIZES = ("sums", "sizes", "norms", "largest")
"""Of each row the sum, the l1 norm, the l2 norm and the largest size of an entry; all or none."""
MOMENTS = ("means", "seconds", "fourths")
"""The mean, and the sums of the second and fourth powers about it; all or none."""


class _States(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("values", "others", "places")),
        *((name, _Integer) for name in ("rows", "width", "stride", "other_stride")),
        *((name, _Double) for name in ("threshold", "share")),
        *((n, _Pointer) for n in (*SIZES, *MOMENTS, "zeros", "below", "relative", "products")),
        ("next", _Integer),
    )


class _Prompts(ctypes.Structure):
    _fields_ = (
        ("values", _Pointer),
        *((name, _Integer) for name in ("prompts", "rows", "width", "stride")),
        *((name, _Pointer) for name in ("tokens", "rest", "norms", "largest")),
        *((name, _Pointer) for name in ("peaks", "peak_rows", "peak_features")),
        *((name, _Pointer) for name in ("resultants", "resultants_rest", "room")),
        *((name, _Pointer) for name in ("sample", "sampled")),
        ("places", _Integer),
        *((name, _Double) for name in ("least", "times")),
        ("massive", _Pointer),
        ("next", _Integer),
    )


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


class Massive(NamedTuple):
    """What makes an entry massive, and the rows whose median says so."""

    least: float
    times_median: float
    where: Int[Tensor, "prompt place"]
    taken: Bool[Tensor, "prompt place"]


class PromptSizes(NamedTuple):
    """How large the states of each prompt are."""

    peaks: Float[Tensor, " prompt"]
    """The largest size of an entry of a token, -1 without any."""
    peak_rows: Int[Tensor, " prompt"]
    """Where the first such entry is."""
    peak_features: Int[Tensor, " prompt"]
    resultants: Float[Tensor, " prompt"]
    """The squared length of the sum of the states scaled to length 1, those of zeros left out."""
    resultants_rest: Float[Tensor, " prompt"]
    """The same without the first token of each prompt."""
    massive: Float[Tensor, " prompt"] | None
    """How many entries are massive; infinite where the states are not finite."""


def takes_states(values: Tensor) -> bool:
    """Return whether such states can be reduced by compiled code."""
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and values.dim() == 3
        and values.shape[-1] > 0
        and is_there()
    )


def row_sizes(
    rows: Rows,
    names: Sequence[str],
    *,
    threshold: float = 0.0,
    share: float = 0.0,
    others: Float[Tensor, "prompt token feature"] | None = None,
) -> dict[str, Float[Tensor, "prompt row"]]:
    """Return reductions of each row by their names, all of one reading.

    Args:
        rows: what is read.
        names: `SIZES`, `MOMENTS`, `zeros` (entries that are 0), `below` (whose size is below the
            threshold), `relative` (whose size is below the share of the row's root mean square;
            needs the sizes), `products` (with the row of the others in the same place).
        threshold: of `below`.
        share: of `relative`.
        others: states as many as those that the rows are of.
    """
    matrix, shape = _matrix(rows.values), rows.shape
    count, width = shape.numel(), matrix.shape[1]
    made = rows.values.new_empty((len(names), *shape))
    places = None if rows.where is None else rows.places
    job = _States(
        values=matrix.data_ptr(),
        places=0 if places is None else places.data_ptr(),
        rows=count,
        width=width,
        stride=matrix.stride(0),
        threshold=threshold,
        share=share,
    )
    start = made.data_ptr()
    for number, name in enumerate(names):
        setattr(job, name, start + 4 * count * number)
    if others is not None:
        other = _matrix(others)
        job.others, job.other_stride = other.data_ptr(), other.stride(0)
    call("reduce_states", job, threads(count * width))
    return dict(zip(names, made.unbind(), strict=True))


def prompt_sizes(
    values: Float[Tensor, "prompt token feature"],
    tokens: Bool[Tensor, "prompt token"],
    rest: Bool[Tensor, "prompt token"],
    *,
    norms: Float[Tensor, "prompt token"],
    largest: Float[Tensor, "prompt token"],
    massive: Massive | None = None,
) -> PromptSizes:
    """Return reductions of each prompt, made of those of its rows.

    Args:
        values: the states.
        tokens: which of them are tokens.
        rest: likewise, without the first one of each prompt.
        norms: of the rows.
        largest: of the rows.
        massive: what makes an entry massive; they are not counted where None.
    """
    matrix, (prompts, count, width) = _matrix(values), values.shape
    masks = tokens.contiguous(), rest.contiguous(), norms.contiguous(), largest.contiguous()
    sizes, lengths = values.new_empty(2, prompts), norms.new_empty(2, prompts, dtype=torch.float64)
    where, room = tokens.new_empty(2, prompts, dtype=torch.int64), values.new_empty(prompts, width)
    job = _Prompts(
        values=matrix.data_ptr(),
        prompts=prompts,
        rows=count,
        width=width,
        stride=matrix.stride(0),
        **dict(zip(("tokens", "rest", "norms", "largest"), map(_at, masks), strict=True)),
        peaks=_at(sizes),
        peak_rows=_at(where),
        peak_features=_at(where) + 8 * prompts,
        resultants=_at(lengths),
        resultants_rest=_at(lengths) + 8 * prompts,
        room=_at(room),
    )
    if massive is not None:
        sample = massive.where.contiguous(), massive.taken.contiguous()
        job.least, job.times = massive.least, massive.times_median
        job.sample, job.sampled = map(_at, sample)
        job.places = massive.where.shape[1]
        job.massive = _at(sizes) + 4 * prompts
    call("reduce_prompts", job, threads(2 * count * prompts * width))
    return PromptSizes(
        peaks=sizes[0],
        peak_rows=where[0],
        peak_features=where[1],
        resultants=lengths[0],
        resultants_rest=lengths[1],
        massive=None if massive is None else sizes[1],
    )


def _at(tensor: Tensor) -> int:
    return tensor.data_ptr()


def _matrix(values: Tensor) -> Tensor:
    """Return states as a matrix whose rows lie side by side."""
    values = values.detach()
    values = values if values.stride(-1) == 1 else values.contiguous()
    return values.reshape(-1, values.shape[-1])
