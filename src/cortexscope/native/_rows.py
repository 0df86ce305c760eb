"""Statistics of attention rows by compiled code: scores and softmax of a few rows at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.native._library import call, is_there, threads

__all__ = ["NativeRows", "attention_rows", "takes_attention", "whole_attention_rows"]

_CHOSEN = 4
"""Keys of each row whose probability can be asked for at once."""

_Integer, _Pointer, _Strides = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64 * 3


class _Attention(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("query", "key", "bias")),
        *((n, _Integer) for n in ("prompts", "heads", "groups", "queries", "keys", "width")),
        *((name, _Strides) for name in ("query_strides", "key_strides", "bias_strides")),
        ("where", _Pointer),
        ("causal", _Integer),
        ("scale", ctypes.c_double),
        ("entropy", _Pointer),
        ("chosen", _Pointer * _CHOSEN),
        ("chosen_strides", _Strides * _CHOSEN),
        ("masses", _Pointer * _CHOSEN),
        ("whole", _Pointer),
        ("slots", _Pointer),
        ("wholes", _Integer),
        ("next", _Integer),
        ("starved", _Integer),
    )


class NativeRows(NamedTuple):
    """What was asked for of each row."""

    entropy: Float[Tensor, "prompt head query"] | None
    """In nats."""
    masses: Mapping[str, Float[Tensor, "prompt head query"]]
    """The probability on each key that was asked for, by the name it was asked by."""
    whole: Float[Tensor, "prompt head slot key"] | None
    """All probabilities of some rows, zeros in a slot that none goes to."""


def takes_attention(query: Tensor, key: Tensor) -> bool:
    """Return whether the rows of such an attention can be computed by compiled code."""
    return (
        query.device.type == "cpu"
        and key.device.type == "cpu"
        and query.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and query.dim() == key.dim() == 4
        and query.shape[0] == key.shape[0]
        and query.shape[1] % key.shape[1] == 0
        and query.shape[3] == key.shape[3]
        and 0 not in (*query.shape, *key.shape)
        and is_there()
    )


def attention_rows(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    bias: Float[Tensor, "#prompt #head #query #key"] | None,
    *,
    causal: bool,
    scale: float,
    entropy: bool,
    chosen: Mapping[str, Int[Tensor, "#prompt #head #query"]],
    slots: tuple[Int[Tensor, "prompt query"] | None, int] | None = None,
) -> NativeRows:
    """Return the statistics of attention rows, each in float32.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        bias: what is added to the scores, None for nothing.
        causal: whether query i sees no key after key i.
        scale: of the scores.
        entropy: whether the entropy of each row is wanted.
        chosen: keys whose probability is wanted, below 0 for none; at most four.
        slots: which slot each row goes to whole, below 0 for none, and how many slots there are;
            all rows in their order where the first is None. None where no row is wanted whole.

    Raises:
        MemoryError: if there is no room for the scores of a few rows.
    """
    shape = query.shape[:3]
    wanted = query.new_empty(shape, dtype=torch.float32) if entropy else None
    masses = {name: query.new_empty(shape, dtype=torch.float32) for name in chosen}
    keys = [index.expand(shape) for index in chosen.values()]
    whole = None
    if slots is not None:
        whole = query.new_zeros((*shape[:2], slots[1], key.shape[2]), dtype=torch.float32)
    _attend(
        query,
        key,
        bias,
        causal=causal,
        scale=scale,
        entropy=0 if wanted is None else wanted.data_ptr(),
        chosen=tuple(index.data_ptr() for index in keys),
        chosen_strides=tuple(_Strides(*index.stride()) for index in keys),
        masses=tuple(mass.data_ptr() for mass in masses.values()),
        whole=0 if whole is None else whole.data_ptr(),
        slots=0 if slots is None or slots[0] is None else slots[0].data_ptr(),
        wholes=0 if slots is None else slots[1],
    )
    return NativeRows(wanted, masses, whole)


def whole_attention_rows(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    bias: Float[Tensor, "#prompt #head #query #key"] | None,
    *,
    causal: bool,
    scale: float,
    where: Int[Tensor, "#prompt row"],
) -> Float[Tensor, "prompt head row key"]:
    """Return the probabilities of some rows, in float32.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        bias: what is added to the scores, None for nothing.
        causal: whether query i sees no key after key i.
        scale: of the scores.
        where: which queries of each prompt.

    Raises:
        MemoryError: if there is no room for the scores of a few rows.
    """
    prompts, heads = query.shape[:2]
    where = where.expand(prompts, -1).contiguous()
    whole = query.new_empty((prompts, heads, where.shape[1], key.shape[2]), dtype=torch.float32)
    _attend(
        query,
        key,
        bias,
        causal=causal,
        scale=scale,
        rows=where.shape[1],
        where=where.data_ptr(),
        whole=whole.data_ptr(),
        wholes=where.shape[1],
    )
    return whole


def _attend(
    query: Tensor,
    key: Tensor,
    bias: Tensor | None,
    *,
    causal: bool,
    scale: float,
    rows: int | None = None,
    **asked: int | tuple[object, ...],
) -> None:
    query, key = _flat(query), _flat(key)
    prompts, heads, queries, width = query.shape
    if bias is not None:
        # Spread first: a mask may have one entry for all keys, and is read side by side.
        bias = _flat(bias.float().expand(prompts, heads, queries, key.shape[2]))
    job = _Attention(
        query=query.data_ptr(),
        key=key.data_ptr(),
        bias=0 if bias is None else bias.data_ptr(),
        prompts=prompts,
        heads=heads,
        groups=key.shape[1],
        queries=queries if rows is None else rows,
        keys=key.shape[2],
        width=width,
        query_strides=query.stride()[:3],
        key_strides=key.stride()[:3],
        bias_strides=(0, 0, 0) if bias is None else bias.stride()[:3],
        causal=causal,
        scale=scale,
        **asked,
    )
    call("attend_rows", job, threads(prompts * heads * job.queries * key.shape[2] * width // 16))
    if job.starved:
        raise MemoryError("no memory for the scores of a few attention rows")


def _flat(part: Tensor) -> Tensor:
    """Return numbers in float32 whose last axis lies side by side."""
    part = part.detach().float()
    return part if part.stride(-1) == 1 else part.contiguous()
