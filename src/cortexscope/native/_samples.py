"""Reductions of whole attention rows by compiled code, all of them in one reading."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.native._library import call, is_there, threads

__all__ = ["RowSizes", "attention_row_sizes", "takes_rows"]

_Integer, _Pointer = ctypes.c_int64, ctypes.c_void_p
_ROWS = ("largest", "squares", "mass", "beyond", "distance", "near")


class _Samples(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("rows", "queries", "first", "visible", "tokens")),
        *((name, _Integer) for name in ("prompts", "heads", "count", "keys", "query_stride")),
        ("first_strides", _Integer * 2),
        ("visible_strides", _Integer * 4),
        *((name, _Integer) for name in ("seen_prompts", "seen_heads", "window")),
        *((name, _Pointer) for name in (*_ROWS, "received", "counts", "even")),
        ("next", _Integer),
    )


class RowSizes(NamedTuple):
    """What whole rows of attention are reduced to."""

    largest: Float[Tensor, "prompt head row"]
    squares: Float[Tensor, "prompt head row"]
    """The sum of the squares."""
    mass: Float[Tensor, "prompt head row"]
    """What falls on other keys than the first token."""
    beyond: Float[Tensor, "prompt head row"]
    """That times the distance of these keys."""
    distance: Float[Tensor, "prompt head row"]
    """The sum of probability times distance over all keys."""
    near: Float[Tensor, "prompt head row"]
    """What falls on keys nearer than the window."""
    received: Float[Tensor, "prompt head key"]
    """What each key receives from all rows of tokens together."""
    counts: Int[Tensor, "#prompt #head row"]
    """How many keys each row can see."""
    even: Float[Tensor, "#prompt #head row"]
    """Their mean distance."""


def takes_rows(rows: Tensor) -> bool:
    """Return whether such rows can be reduced by compiled code."""
    return (
        rows.device.type == "cpu"
        and rows.dtype == torch.float32
        and rows.numel() > 0
        and is_there()
    )


def attention_row_sizes(
    rows: Float[Tensor, "prompt head row key"],
    queries: Int[Tensor, "#prompt row"],
    visible: Bool[Tensor, "#prompt #head row key"],
    tokens: Bool[Tensor, "prompt row"],
    first: Int[Tensor, "#prompt #head"] | None,
    window: int,
) -> RowSizes:
    """Return reductions of whole rows of attention.

    Args:
        rows: the probabilities.
        queries: where each query is on the axis of the keys.
        visible: which keys each row can see.
        tokens: which rows are of tokens.
        first: the key of each prompt's first token, below 0 where it is not there; None for key 0.
        window: keys less than so many tokens away are near; none where 0.
    """
    # Picked rows lie with the heads inside of them.
    rows = rows.contiguous()
    prompts, heads, count, keys = rows.shape
    made = rows.new_empty((len(_ROWS), prompts, heads, count))
    received = rows.new_empty((prompts, heads, keys))
    # Where the mask is one for all prompts, the queries may still be another's for each.
    visible = visible.expand(max(visible.shape[0], queries.shape[0]), -1, -1, -1)
    seen = visible.shape[:2]
    counts = visible.new_empty((*seen, count), dtype=torch.int64)
    even = rows.new_empty((*seen, count))
    queries, tokens = queries.contiguous(), tokens.contiguous()
    first = None if first is None else first.expand(prompts, heads)
    start, step = made.data_ptr(), 4 * prompts * heads * count
    job = _Samples(
        rows=rows.data_ptr(),
        queries=queries.data_ptr(),
        first=0 if first is None else first.data_ptr(),
        visible=visible.data_ptr(),
        tokens=tokens.data_ptr(),
        prompts=prompts,
        heads=heads,
        count=count,
        keys=keys,
        query_stride=0 if queries.shape[0] == 1 else count,
        first_strides=(0, 0) if first is None else first.stride(),
        visible_strides=visible.stride(),
        seen_prompts=seen[0],
        seen_heads=seen[1],
        window=window,
        received=received.data_ptr(),
        counts=counts.data_ptr(),
        even=even.data_ptr(),
        **{name: start + number * step for number, name in enumerate(_ROWS)},
    )
    call("reduce_samples", job, threads(rows.numel()))
    sizes = dict(zip(_ROWS, made.unbind(), strict=True))
    return RowSizes(**sizes, received=received, counts=counts, even=even)
