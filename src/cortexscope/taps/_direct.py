"""Statistics of attention rows from scores that are computed in chunks, or that a model shows.

For the few keys of short prompts, where scores are not linear in the keys, where no fused kernel
takes the tensors, and where a model calls softmax itself. No matrix outlives its chunk.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.taps._mask import Mask, visible_keys
from cortexscope.taps._statistics import RowStatistics, Wanted

__all__ = ["direct_rows", "rows_of_scores", "small"]

_SMALL_KEYS = 32
"""Up to this many keys the scores are recomputed in float64: they then take no more room than the
queries, cost 1-3 % of a block, and are free of the rounding of a float32 log-sum-exp (1e-6 nats),
which the nearly certain rows of very short prompts would show."""

_CHUNK = 1 << 22
"""Scores held at once where they must be computed, in entries (16 MB in float32)."""


def small(keys: int) -> bool:
    """Return whether rows of so few keys are computed directly in float64."""
    return keys <= _SMALL_KEYS


def _chunked_scores(
    query: Tensor, key: Tensor, mask: Mask, scale: float, dtype: torch.dtype
) -> Iterator[tuple[slice, Tensor]]:
    """Yield scores [B, H, chunk, K] with the mask applied, chunk by chunk of query rows."""
    groups, keys = key.shape[1], key.shape[2]
    batch, heads, queries, _ = query.shape
    step = max(1, _CHUNK // (batch * heads * keys))
    product = torch.float64 if query.dtype == torch.float64 else torch.float32
    turned = key.to(product).transpose(-1, -2)[:, :, None]  # [B, G, 1, D, K]
    for start in range(0, queries, step):
        rows = slice(start, min(start + step, queries))
        part = query[:, :, rows].to(product).unflatten(1, (groups, -1))
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
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    wanted: Wanted,
    *,
    precise: bool = False,
) -> RowStatistics:
    """Return the statistics from scores computed in chunks of rows, on any device.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        mask: of the scores.
        scale: of the scores.
        wanted: which statistics to compute.
        precise: take the softmax in float64, as is always done for few keys.
    """
    exact = precise or small(key.shape[2]) or query.dtype == torch.float64
    dtype = torch.float64 if exact else torch.float32
    entropies, firsts = [], []
    for rows, scores in _chunked_scores(query, key, mask, scale, dtype):
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
            chunk = probabilities[:, :, start : start + step]
            chunk = chunk if chunk.dtype == torch.float64 else chunk.float()
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
