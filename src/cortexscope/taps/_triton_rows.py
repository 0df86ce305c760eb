"""Statistics of attention rows on a GPU, by a Triton kernel where triton is there.

It runs beside the model's own attention, reads queries and keys once and no values. On a device
where it cannot be compiled, or is wrong on a small example, it is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.native import NativeRows
from cortexscope.taps._kernels import example

__all__ = ["takes_triton", "triton_rows"]

_ROWS = 64
"""Queries of a program."""


def takes_triton(query: Tensor, key: Tensor) -> bool:
    """Return whether the kernel takes such an attention, and is right on others like it."""
    return (
        query.device.type == "cuda"
        and query.device == key.device
        and query.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and query.dtype == key.dtype
        and query.dim() == key.dim() == 4
        and query.shape[0] == key.shape[0]
        and query.shape[1] % key.shape[1] == 0
        and query.shape[3] == key.shape[3]
        and 0 not in (*query.shape, *key.shape)
        and _is_right(query.device, query.dtype, query.shape[3])
    )


def triton_rows(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    bias: Float[Tensor, "#prompt #head #query #key"] | None,
    *,
    causal: bool,
    scale: float,
    entropy: bool,
    chosen: Mapping[str, Int[Tensor, "#prompt #head #query"]],
) -> NativeRows:
    """Return the statistics of attention rows, each in float32; triton must be there.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        bias: what is added to the scores, None for nothing.
        causal: whether query i sees no key after key i.
        scale: of the scores.
        entropy: whether the entropy of each row is wanted.
        chosen: keys whose probability is wanted, below 0 for none.
    """
    from cortexscope.taps._triton_kernel import attention_rows

    query, key = (x if x.stride(-1) == 1 else x.contiguous() for x in (query, key))
    prompts, heads, queries, features = query.shape
    shape = (prompts, heads, queries)
    wanted = query.new_empty(shape, dtype=torch.float32) if entropy else None
    masses = query.new_empty((len(chosen), *shape), dtype=torch.float32)
    # In the place of what is not there is something that is never read.
    index, added, kept = masses, query, masses if wanted is None else wanted
    if chosen:
        index = torch.stack(torch.broadcast_tensors(*chosen.values())).expand(masses.shape)
    if bias is not None:
        added = bias.expand(*shape, key.shape[2])
    # Of a product in float32, which no tensor core computes, smaller blocks fit the registers.
    half = query.dtype != torch.float32
    most = 64 if half else 32
    with torch.cuda.device_of(query):
        attention_rows[(-(-queries // _ROWS), heads, prompts)](
            query,
            key,
            added,
            index,
            kept,
            masses,
            queries,
            key.shape[2],
            float(scale),
            *query.stride()[:3],
            *key.stride()[:3],
            *added.stride(),
            *index.stride(),
            CAUSAL=causal,
            BIAS=bias is not None,
            ENTROPY=entropy,
            CHOSEN=len(chosen),
            SHARING=heads // key.shape[1],
            FEATURES=features,
            WIDTH=min(most, max(16, 1 << (features - 1).bit_length())),
            ROWS=_ROWS,
            KEYS=most,
            num_warps=4,
            num_stages=2,
            enable_fp_fusion=True,
        )
    return NativeRows(wanted, dict(zip(chosen, masses, strict=True)), None)


@cache
def _is_right(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Return whether the kernel agrees with a plain softmax on a small example, masked in any way.

    Args:
        device: of the tensors.
        dtype: likewise.
        width: number of features.
    """
    query, key, _, mask = example(device, dtype, width, 2, "bias")
    before = (torch.arange(query.shape[2], device=device) - 1)[None, None]
    scale = 2 * width**-0.5
    try:
        found = triton_rows(
            query,
            key,
            mask.bias,
            causal=True,
            scale=scale,
            entropy=True,
            chosen={"before": before},
        )
    except Exception:
        # There may be no triton; it, its compilers and the driver have errors of their own.
        return False
    assert mask.bias is not None
    assert found.entropy is not None
    # Computed on the CPU, where no product is shortened.
    scores = query.cpu().double() @ key.cpu().double().repeat_interleave(2, 1).mT * scale
    scores = scores + mask.bias.cpu().double()
    scores.masked_fill_(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    wanted = scores.softmax(-1).nan_to_num(0.0)  # A row that sees nothing is nothing.
    mass = wanted.diagonal(-1, -2, -1)
    return torch.allclose(
        found.entropy.cpu().double(), torch.special.entr(wanted).sum(-1), rtol=0, atol=1e-4
    ) and torch.allclose(found.masses["before"].cpu().double()[..., 1:], mass, rtol=0, atol=1e-4)
