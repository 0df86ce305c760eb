"""Exact statistics of attention rows from the fused kernel, without the attention matrix.

Fused kernels return the log-sum-exp of scores, of which statistics are made. The mean key of each
row, `sum_j p_ij k_j`, is attention once more with K in the place of V; K is centred first, which
changes no probability and keeps the sum accurate in half precision.

On the CPU one call gives the model's output and the sums, where that is seen to change no bit of
the output. Elsewhere a kernel runs beside the model's own call, with K in the place of V.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cortexscope.taps._kernel_rows import KernelRows
from cortexscope.taps._kernels import Kernel, attend
from cortexscope.taps._mask import Mask
from cortexscope.taps._statistics import Statistics, Wanted

__all__ = ["Fused", "fused_attention", "is_fusible", "rows_beside"]

_HALF = (torch.bfloat16, torch.float16)


class Fused(NamedTuple):
    """What one call of the fused kernel gave: the model's own output, and statistics."""

    output: Float[Tensor, "prompt head query feature"]
    rows: Statistics
    lse: Float[Tensor, "prompt head query"]
    """Log-sum-exp of each row's scores."""
    widened: bool | None
    """Whether widening the heads was seen to leave the output as it was; None if not tried."""


def is_fusible(query: Tensor, key: Tensor, value: Tensor, *, dropout: float, grouped: bool) -> bool:
    """Return whether torch would run these tensors by the CPU kernel that gives the log-sum-exp.

    Args:
        query: as the model hands it over.
        key: likewise.
        value: likewise.
        dropout: probability.
        grouped: whether the model said that key heads are fewer; without, torch takes another way.
    """
    return (
        query.device.type == "cpu"
        and query.dtype in (torch.float32, *_HALF)
        and query.dim() == 4
        and query.shape[-1] == key.shape[-1] == value.shape[-1]
        and query.shape[0] == key.shape[0]
        and (query.shape[1] == key.shape[1] or (grouped and query.shape[1] % key.shape[1] == 0))
        and dropout == 0.0
        and all(x.stride(-1) == 1 and x.dtype == query.dtype for x in (query, key, value))
        and torch.backends.cuda.flash_sdp_enabled()
        and not (torch.is_grad_enabled() and query.requires_grad)
    )


def fused_attention(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    value: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    wanted: Wanted,
    *,
    tokens: Bool[Tensor, "prompt query"] | None,
    widen: bool | None,
) -> Fused:
    """Run attention as the model does, and give the statistics of its rows.

    The kernel wants equal head sizes, so the second call can ride on the first: features
    [q | 0], [k | 0] and [v | k] give both sums in one pass over the keys, in less time than two
    calls. Whether the model's half stays bit-identical depends on the matrix library and the
    shape, so it is tried on the tensors at hand, and two calls are made where it does not.

    Args:
        query: after rotation and norm, as the model hands it to the kernel.
        key: likewise; its heads may be fewer than the query's.
        value: likewise.
        mask: must not be graded.
        scale: of the scores.
        wanted: which statistics to compute.
        tokens: which rows are not padding; None where that is not known.
        widen: True to ride on the model's call, False to make a second, None to try.
    """
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    width = query.shape[-1]
    mean = key.mean(-2, keepdim=True)  # [B, G, 1, D]

    def run(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        out, lse = kernel(query, key, value, 0.0, mask.causal, attn_mask=mask.bias, scale=scale)
        return out, lse

    expected, averages = None, any(row.averages for row in wanted)
    if widen is not True or not averages:
        output, lse = run(query, key, value)
    if averages and widen is not False:
        both, wide_lse = run(
            functional.pad(query, (0, width)),
            functional.pad(key, (0, width)),
            torch.cat([value, key - mean], -1),
        )
        if widen is None:
            widen = torch.equal(both[..., :width], output)
        if widen:
            output, expected, lse = both[..., :width], both[..., width:], wide_lse
    if averages and expected is None:
        expected, _ = run(query, key, key - mean)
    rows = KernelRows(query, key, mask, scale, lse, mean, expected, tokens)
    return Fused(output, _statistics(rows, wanted), lse, widen)


def rows_beside(
    kernel: Kernel,
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    wanted: Wanted,
    *,
    tokens: Bool[Tensor, "prompt query"] | None,
) -> Statistics:
    """Return the statistics of an attention that the model runs by itself.

    Args:
        kernel: what runs beside it, on these tensors.
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        mask: must not be graded.
        scale: of the scores.
        wanted: which statistics to compute.
        tokens: which rows are not padding; None where that is not known.
    """
    mean = key.mean(-2, keepdim=True)
    expected, lse = attend(kernel, query, key, key - mean, mask, scale)
    rows = KernelRows(query, key, mask, scale, lse, mean, expected, tokens)
    return _statistics(rows, wanted)


def _statistics(rows: KernelRows, wanted: Wanted) -> Statistics:
    found = {row.name: row.of_kernel(rows) for row in wanted}
    return {name: value for name, value in found.items() if value is not None}
