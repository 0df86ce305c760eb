"""Exact statistics of attention rows from the fused kernel, without the attention matrix.

For scores `s_ij = scale * q_i . k_j` with log-sum-exp `lse_i`, the entropy of row i is
`lse_i - scale * q_i . sum_j p_ij k_j`, and the sum is attention once more with K in the place of
V. Fused kernels return the log-sum-exp; K is centred first, which changes no probability and keeps
the sum accurate in half precision.

On the CPU one call gives the model's output and the sums, where that is seen to change no bit of
the output. Elsewhere a kernel runs beside the model's own call, with K in the place of V.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cortexscope.taps._direct import direct_rows, whole_rows
from cortexscope.taps._kernels import Kernel, attend
from cortexscope.taps._mask import Mask
from cortexscope.taps._statistics import RowStatistics, Wanted

__all__ = ["Fused", "fused_attention", "is_fusible", "rows_beside", "sharpened"]

_HALF = (torch.bfloat16, torch.float16)

_ROUNDING = 2.0**-23
"""Of a float32 log-sum-exp and of the mean score that is taken from it, relative."""

_ENOUGH = (1e-6, 5e-6)
"""The error of a head's mean entropy that needs no second look: in nats, and as a share of it."""


class Fused(NamedTuple):
    """What one call of the fused kernel gave: the model's own output, and statistics."""

    output: Float[Tensor, "prompt head query feature"]
    rows: RowStatistics
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
        widen: True to ride on the model's call, False to make a second, None to try.
    """
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    width = query.shape[-1]
    mean = key.mean(-2, keepdim=True)  # [B, G, 1, D]

    def run(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        out, lse = kernel(query, key, value, 0.0, mask.causal, attn_mask=mask.bias, scale=scale)
        return out, lse

    expected = None
    if widen is not True or not wanted.entropy:
        output, lse = run(query, key, value)
    if wanted.entropy and widen is not False:
        both, wide_lse = run(
            functional.pad(query, (0, width)),
            functional.pad(key, (0, width)),
            torch.cat([value, key - mean], -1),
        )
        if widen is None:
            widen = torch.equal(both[..., :width], output)
        if widen:
            output, expected, lse = both[..., :width], both[..., width:], wide_lse
    if wanted.entropy and expected is None:
        expected, _ = run(query, key, key - mean)
    entropy = None
    if expected is not None:
        entropy = _entropy(query, mean, expected, lse, scale, mask)
    return Fused(output, _rows(query, key, mask, scale, wanted, entropy, lse), lse, widen)


def rows_beside(
    kernel: Kernel,
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    wanted: Wanted,
) -> tuple[RowStatistics, Float[Tensor, "prompt head query"]]:
    """Return the statistics of an attention that the model runs by itself, and the log-sum-exps.

    Args:
        kernel: what runs beside it, on these tensors.
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        mask: must not be graded.
        scale: of the scores.
        wanted: which statistics to compute.
    """
    mean = key.mean(-2, keepdim=True)
    expected, lse = attend(kernel, query, key, key - mean, mask, scale)
    entropy = _entropy(query, mean, expected, lse, scale, mask) if wanted.entropy else None
    return _rows(query, key, mask, scale, wanted, entropy, lse), lse


def _rows(
    query: Tensor,
    key: Tensor,
    mask: Mask,
    scale: float,
    wanted: Wanted,
    entropy: Tensor | None,
    lse: Tensor,
) -> RowStatistics:
    same = mask.first is None and mask.start is None
    first_key = first_token = previous = None
    if wanted.first_key or (wanted.first_token and same):
        first_key = first_token = _mass_at(query, key, mask.first, lse, scale)
    if wanted.first_token and not same:
        first_token = _mass_on_start(query, key, lse, scale, mask)
    if wanted.previous_token:
        previous = _mass_on_previous(query, key, lse, scale, mask)
    return RowStatistics(
        entropy,
        first_key if wanted.first_key else None,
        first_token if wanted.first_token else None,
        previous,
    )


def _entropy(
    query: Tensor, mean: Tensor, expected: Tensor, lse: Tensor, scale: float, mask: Mask
) -> Tensor:
    average: Tensor = (query.float() * expected.float()).sum(-1)
    average = average.add_(_dot_per_group(query, mean)).mul_(scale)
    ceiling = mask.visible.log().to(lse.dtype)
    return torch.minimum((lse - average).clamp_(min=0), ceiling)


def _dot_per_group(query: Tensor, key: Tensor) -> Tensor:
    """Return the product of each query with a key of its group, [B, H, Q] in float32.

    The group has one key for all queries, or one for each.
    """
    grouped: Tensor = query.unflatten(1, (key.shape[1], -1)).float()  # [B, G, H/G, Q, D]
    # Three times as fast as einsum, which would copy the queries into the layout of a product.
    return (grouped * key.float().unsqueeze(2)).sum(-1).flatten(1, 2)


def _mass(scores: Tensor, lse: Tensor) -> Tensor:
    return (scores - lse).exp_().clamp_(max=1)


def _mass_at(query: Tensor, key: Tensor, index: Tensor | None, lse: Tensor, scale: float) -> Tensor:
    """Return the probability on a key that each row sees; key 0 where no index is given."""
    if index is None:
        score = _dot_per_group(query, key[:, :, :1])
    else:
        index = index.expand(query.shape[0], query.shape[1], -1)
        rows = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
        keys = rows.gather(2, index[..., None].expand(-1, -1, -1, key.shape[-1]))
        score = (query.float() * keys.float()).sum(-1)
    return _mass(score * scale, lse)


def _mass_on_start(query: Tensor, key: Tensor, lse: Tensor, scale: float, mask: Mask) -> Tensor:
    """Return the probability on each prompt's first token, 0 where the row does not see it."""
    first = torch.zeros_like(mask.visible) if mask.first is None else mask.first
    start = torch.zeros_like(first[..., 0]) if mask.start is None else mask.start
    start = start.expand(query.shape[0], -1)[..., None]  # [B, 1 or H, 1]
    index = start.clamp(min=0).expand(-1, -1, query.shape[2])
    # Of keys that are not hidden one by one, only those before the first that is seen are hidden.
    return _mass_at(query, key, index, lse, scale).masked_fill_(start < first, 0)


def _mass_on_previous(query: Tensor, key: Tensor, lse: Tensor, scale: float, mask: Mask) -> Tensor:
    """Return the probability on the token before each row's own, 0 where there is none."""
    queries = query.shape[2]
    first = max(0, 1 - mask.shift)  # The first row that has a token before it.
    keys = key[:, :, mask.shift + first - 1 : mask.shift + queries - 1]
    score = _dot_per_group(query[:, :, first:], keys).mul_(scale)
    if mask.bias is not None:
        bias = mask.bias.expand(-1, -1, queries, -1)[:, :, first:]
        score += bias.diagonal(mask.shift + first - 1, dim1=-2, dim2=-1)[..., : score.shape[-1]]
    mass = torch.zeros_like(lse)
    mass[:, :, first:] = _mass(score, lse[:, :, first:])
    return mass


def sharpened(
    rows: RowStatistics,
    lse: Float[Tensor, "prompt head query"],
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    tokens: Bool[Tensor, "prompt query"],
) -> RowStatistics:
    """Return the statistics, the entropies of nearly certain heads without their rounding.

    A head that puts nearly all attention on one key has an entropy far smaller than its
    log-sum-exp, so that the difference of the two is mostly rounding. Over many rows that cancels
    out; the few heads of short prompts where it does not have their scores computed directly, and
    their softmax in float64.

    Args:
        rows: what the fused kernel gave.
        lse: likewise.
        query: as the kernel got it.
        key: likewise.
        mask: likewise.
        scale: likewise.
        tokens: which rows are not padding; they alone decide which heads are in doubt.
    """
    entropy = rows.entropy
    if entropy is None:
        return rows
    keep = tokens[:, None]
    count = keep.sum(-1)
    mean = torch.where(keep, entropy, 0).sum(-1) / count
    size = torch.where(keep, lse.abs(), 0).sum(-1) / count
    doubt = 3 * _ROUNDING * size / count.sqrt()
    doubtful = (doubt > _ENOUGH[0]) & (doubt > _ENOUGH[1] * mean)
    prompts, heads = doubtful.nonzero(as_tuple=True)
    if not len(prompts):
        return rows
    groups = heads // (query.shape[1] // key.shape[1])
    single = mask.of(prompts, heads)
    whole = partial(
        whole_rows,
        query[prompts, heads][:, None],
        key[prompts, groups][:, None],
        single,
        scale,
        precise=True,
    )
    again = direct_rows(whole, single, Wanted(entropy=True))
    assert again.entropy is not None
    sharp = entropy.double()
    sharp[prompts, heads] = again.entropy[:, 0]
    return rows._replace(entropy=sharp)
