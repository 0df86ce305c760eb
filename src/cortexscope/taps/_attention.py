"""Exact statistics of attention rows, without keeping the attention matrix.

For scores `s_ij = scale * q_i . k_j` with log-sum-exp `lse_i`, the entropy of row i is
`lse_i - scale * q_i . sum_j p_ij k_j`, and the sum is attention once more with K in the place of
V. The fused kernel on the CPU returns the log-sum-exp; K is centred first, which changes no
probability and keeps the sum accurate in half precision.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cortexscope.taps._mask import Mask, visible_keys

__all__ = ["RowStatistics", "Wanted", "fused_attention", "is_fusible", "rows_of_scores", "small"]

_SMALL_KEYS = 32
"""Up to this many keys the scores are recomputed in float64: they then take no more room than the
queries, cost 1-3 % of a block, and are free of the rounding of a float32 log-sum-exp (1e-6 nats),
which the nearly certain rows of very short prompts would show."""

_CHUNK = 1 << 22
"""Scores held at once where they must be computed, in entries (16 MB in float32)."""

_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which statistics somebody asked for."""

    entropy: bool
    first_key: bool


class RowStatistics(NamedTuple):
    """Statistics of rows, None where nobody asked."""

    entropy: Float[Tensor, "prompt head query"] | None
    first_key: Float[Tensor, "prompt head query"] | None


class Fused(NamedTuple):
    """What one call of the fused kernel gave: the model's own output, and statistics."""

    output: Float[Tensor, "prompt head query feature"]
    rows: RowStatistics
    widened: bool | None
    """Whether widening the heads was seen to leave the output as it was; None if not tried."""


def is_fusible(query: Tensor, key: Tensor, value: Tensor, *, dropout: float) -> bool:
    """Return whether the CPU kernel that also gives the log-sum-exp takes these tensors."""
    return (
        query.device.type == "cpu"
        and query.dtype in (torch.float32, *_HALF)
        and query.dim() == 4
        and query.shape[-1] == key.shape[-1] == value.shape[-1]
        and query.shape[1] % key.shape[1] == 0
        and dropout == 0.0
        and all(x.stride(-1) == 1 and x.dtype == query.dtype for x in (query, key, value))
        and torch.backends.cuda.flash_sdp_enabled()
        and not (torch.is_grad_enabled() and query.requires_grad)
    )


def small(keys: int) -> bool:
    """Return whether rows of so few keys are computed directly in float64."""
    return keys <= _SMALL_KEYS


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

    def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        out, lse = kernel(
            query, key, value, 0.0, mask.causal, attn_mask=mask.bias, scale=scale
        )
        return out, lse

    expected = None
    if widen is not True or not wanted.entropy:
        output, lse = attend(query, key, value)
    if wanted.entropy and widen is not False:
        both, wide_lse = attend(
            functional.pad(query, (0, width)),
            functional.pad(key, (0, width)),
            torch.cat([value, key - mean], -1),
        )
        if widen is None:
            widen = torch.equal(both[..., :width], output)
        if widen:
            output, expected, lse = both[..., :width], both[..., width:], wide_lse
    if wanted.entropy and expected is None:
        expected, _ = attend(query, key, key - mean)
    entropy = None
    if expected is not None:
        entropy = _entropy(query, mean, expected, lse, scale, mask)
    first_key = _first_key(query, key, lse, scale, mask) if wanted.first_key else None
    return Fused(output, RowStatistics(entropy, first_key), widen)


def _entropy(
    query: Tensor, mean: Tensor, expected: Tensor, lse: Tensor, scale: float, mask: Mask
) -> Tensor:
    grouped = query.unflatten(1, (mean.shape[1], -1)).float()  # [B, G, H/G, Q, D]
    shift = torch.einsum("bghqd,bgod->bghq", grouped, mean.float()).flatten(1, 2)
    average = (query.float() * expected.float()).sum(-1).add_(shift).mul_(scale)
    ceiling = mask.visible.log().to(lse.dtype)
    return torch.minimum((lse - average).clamp_(min=0), ceiling)


def _first_key(query: Tensor, key: Tensor, lse: Tensor, scale: float, mask: Mask) -> Tensor:
    groups = key.shape[1]
    grouped = query.unflatten(1, (groups, -1)).float()
    if mask.first is None:
        score = torch.einsum("bghqd,bgd->bghq", grouped, key[:, :, 0].float()).flatten(1, 2)
    else:
        # A sliding window or padding on the left: the first key differs from row to row.
        index = mask.first.expand(query.shape[0], query.shape[1], -1)
        rows = key.repeat_interleave(query.shape[1] // groups, 1)
        firsts = rows.gather(2, index[..., None].expand(-1, -1, -1, key.shape[-1]))
        score = (query.float() * firsts.float()).sum(-1)
    return (score * scale - lse).exp().clamp_(max=1)


def chunked_scores(
    query: Tensor, key: Tensor, mask: Mask, scale: float, dtype: torch.dtype
) -> Iterator[tuple[slice, Tensor]]:
    """Yield scores [B, H, chunk, K] with the mask applied, chunk by chunk of query rows."""
    groups, keys = key.shape[1], key.shape[2]
    batch, heads, queries, _ = query.shape
    step = max(1, _CHUNK // (batch * heads * keys))
    turned = key.float().transpose(-1, -2)[:, :, None]  # [B, G, 1, D, K]
    for start in range(0, queries, step):
        rows = slice(start, min(start + step, queries))
        part = query[:, :, rows].float().unflatten(1, (groups, -1))
        scores = (part @ turned).flatten(1, 2).to(dtype).mul_(scale)
        if mask.bias is not None:
            bias = mask.bias if mask.bias.shape[2] == 1 else mask.bias[:, :, rows]
            scores += bias.to(dtype).masked_fill(~visible_keys(bias), float("-inf"))
        if mask.causal:
            behind = torch.arange(keys, device=scores.device) > torch.arange(
                rows.start, rows.stop, device=scores.device
            ).unsqueeze(-1)
            scores.masked_fill_(behind, float("-inf"))
        yield rows, scores


def direct_rows(
    query: Tensor, key: Tensor, mask: Mask, scale: float, wanted: Wanted
) -> RowStatistics:
    """Return the statistics from scores computed in chunks of rows, on any device.

    For the few keys of short prompts in float64, else in float32; also where scores are not
    linear in the keys, as with a graded bias, and where head sizes differ.
    """
    dtype = torch.float64 if small(key.shape[2]) else torch.float32
    entropies, firsts = [], []
    for rows, scores in chunked_scores(query, key, mask, scale, dtype):
        part = _rows_of_probabilities(
            torch.softmax(scores, -1), None if mask.first is None else mask.first[..., rows], wanted
        )
        entropies.append(part.entropy)
        firsts.append(part.first_key)
    return RowStatistics(_joined(entropies), _joined(firsts))


def rows_of_scores(
    scores: Float[Tensor, "prompt head query key"],
    probabilities: Float[Tensor, "prompt head query key"],
    wanted: Wanted,
) -> tuple[RowStatistics, Tensor]:
    """Return the statistics of a softmax that the model computed itself, and its visible keys.

    Args:
        scores: the argument of the softmax, masked.
        probabilities: its result.
        wanted: which statistics to compute.
    """
    batch, heads, queries, keys = scores.shape
    step = max(1, _CHUNK // (batch * heads * keys))
    parts, counts = [], []
    for start in range(0, queries, step):
        chunk = scores[:, :, start : start + step]
        seen = visible_keys(chunk)
        if small(keys):
            chunk = torch.softmax(chunk.double().masked_fill(~seen, float("-inf")), -1)
            # A row that sees nothing belongs to padding; any number will do, but no NaN.
            chunk = chunk.nan_to_num(0.0)
        else:
            chunk = probabilities[:, :, start : start + step].float()
        parts.append(_rows_of_probabilities(chunk, seen.to(torch.uint8).argmax(-1), wanted))
        counts.append(seen.sum(-1))
    rows = RowStatistics(
        _joined([part.entropy for part in parts]), _joined([part.first_key for part in parts])
    )
    return rows, torch.cat(counts, -1)


def _rows_of_probabilities(
    probabilities: Tensor, first: Tensor | None, wanted: Wanted
) -> RowStatistics:
    entropy = torch.special.entr(probabilities).sum(-1) if wanted.entropy else None
    mass = None
    if wanted.first_key:
        if first is None:
            mass = probabilities[..., 0].clone()
        else:
            index = first.expand(probabilities.shape[:-1])[..., None]
            mass = probabilities.gather(-1, index).squeeze(-1)
    return RowStatistics(entropy, mass)


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present, -1) if present else None
