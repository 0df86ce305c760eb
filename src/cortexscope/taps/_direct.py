"""Rows of attention from scores that are computed in chunks, or that a model shows.

For the few keys of short prompts, where scores are not linear in the keys, where no fused kernel
takes the tensors, where a model calls softmax itself, and for the whole rows of a few queries. No
matrix outlives its chunk.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.native import takes_attention, whole_attention_rows
from cortexscope.taps._mask import Mask, picked_rows, visible_keys
from cortexscope.taps._statistics import Outcomes, Rows, Statistics, Wanted, WholeRows

__all__ = [
    "at_once",
    "direct_rows",
    "remembered",
    "rows_of_scores",
    "small",
    "whole_rows",
    "whole_rows_of_scores",
]

_SMALL_KEYS = 32
"""Up to this many keys the scores are recomputed in float64: they then take no more room than the
queries, cost 1-3 % of a block, and are free of the rounding of a float32 log-sum-exp (1e-6 nats),
which the nearly certain rows of very short prompts would show."""

_CHUNK = 1 << 22
"""Scores held at once where they must be computed, in entries (16 MB in float32)."""


def small(keys: int) -> bool:
    """Return whether rows of so few keys are computed directly in float64."""
    return keys <= _SMALL_KEYS


def at_once(entries: int) -> bool:
    """Return whether so many scores may be held at once."""
    return entries <= _CHUNK


def whole_rows(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    queries: Int[Tensor, "prompt row"] | None,
    *,
    precise: bool = False,
    known: Float[Tensor, "prompt head row key"] | None = None,
) -> Iterator[WholeRows]:
    """Yield whole rows of probabilities, chunk by chunk, on any device.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        mask: of the scores.
        scale: of the scores.
        queries: which rows of each prompt, all where None.
        known: the probabilities, where they are there already.
        precise: take the softmax in float64, as is always done for few keys.
    """
    keys = key.shape[2]
    batch, heads, count, _ = query.shape
    compiled = not precise and takes_attention(query, key)
    exact = precise or small(keys)
    scores = None if compiled or known is not None else _Scores(query, key, scale, exact=exact)
    count = count if queries is None else queries.shape[1]
    step = max(1, _CHUNK // (batch * heads * keys))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        seen = mask.seen_by(queries, rows, keys)
        if known is not None:
            found = known[:, :, rows]
        elif scores is None:
            found = whole_attention_rows(
                query, key, mask.bias, causal=mask.causal, scale=scale, where=seen.places
            )
        else:
            part = query[:, :, rows] if queries is None else picked_rows(query, seen.places)
            bias = seen.bias
            if bias is not None or mask.causal:
                bias = torch.zeros(1, device=part.device) if bias is None else bias
                bias = bias.masked_fill(~seen.keys, float("-inf"))
            found = torch.softmax(scores.of(part, bias), -1)
        yield WholeRows(rows, seen.places + mask.shift, found, seen.keys, start=mask.start)


class _Scores:
    """Scores of some rows at a time, by torch.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        scale: of the scores.
        exact: in float64, of products in float32 unless the queries are more than that.
    """

    def __init__(self, query: Tensor, key: Tensor, scale: float, *, exact: bool) -> None:
        self._product = torch.float64 if query.dtype == torch.float64 else torch.float32
        self._kind = torch.float64 if exact else self._product
        self._groups, self._scale = key.shape[1], scale
        keys, width = key.shape[2:]
        self._turned = key.to(self._product).reshape(-1, keys, width).transpose(-1, -2)

    def of(self, part: Tensor, bias: Tensor | None) -> Tensor:
        """Return the scores of some queries, [prompt, head, row, key]."""
        batch, heads, _, width = part.shape
        # The heads of a group lie in one axis, or its keys would be copied for each of them.
        grouped = part.to(self._product).reshape(batch * self._groups, -1, width)
        nothing = self._turned.new_zeros(1)
        scores = torch.baddbmm(nothing, grouped, self._turned, beta=0, alpha=self._scale)
        scores = scores.view(batch, heads, -1, self._turned.shape[-1]).to(self._kind)
        if bias is not None:
            # Far faster than filling the scores, since the mask has no axis of heads.
            scores += bias.to(scores.dtype)
        return scores


def remembered(whole: Rows) -> Rows:
    """Return what gives the same rows and computes all of them only once; for few keys."""
    kept: list[WholeRows] = []

    def rows(queries: Tensor | None) -> Iterable[WholeRows]:
        if queries is not None:
            return whole(queries)
        if not kept:
            kept.extend(whole(None))
        return kept

    return rows


def whole_rows_of_scores(
    scores: Float[Tensor, "prompt head query outcome"],
    probabilities: Float[Tensor, "prompt head query outcome"],
    queries: Int[Tensor, "prompt row"] | None,
    *,
    shift: int,
    start: Int[Tensor, "#prompt #head"] | None,
    sink: bool,
) -> Iterator[WholeRows]:
    """Yield whole rows of a softmax that the model computed itself, chunk by chunk.

    Args:
        scores: the argument of the softmax, masked.
        probabilities: its result.
        queries: which rows of each prompt, all where None.
        shift: where query 0 is on the axis of the keys.
        start: where the first token is among the keys; None where it is key 0 for all.
        sink: whether the last outcome is a sink and no key.
    """
    keys = scores.shape[-1] - sink
    for rows, whole, seen in _outcomes(scores, probabilities, queries):
        yield WholeRows(
            rows,
            _places(queries, rows, scores.device) + shift,
            whole[..., :keys],
            seen[..., :keys],
            start=start,
            learned_sink=whole[..., keys] if sink else None,
        )


def _places(queries: Tensor | None, rows: slice, device: torch.device) -> Tensor:
    """Return which queries some of the rows asked for are, [prompt or 1, row]."""
    if queries is None:
        return torch.arange(rows.start, rows.stop, device=device)[None]
    return queries[:, rows]


def _outcomes(
    scores: Tensor, probabilities: Tensor, queries: Tensor | None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    batch, heads, count, outcomes = scores.shape
    count = count if queries is None else queries.shape[1]
    step = max(1, _CHUNK // (batch * heads * outcomes))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))

        def part(whole: Tensor, rows: slice = rows) -> Tensor:
            return whole[:, :, rows] if queries is None else picked_rows(whole, queries[:, rows])

        chunk = part(scores)
        seen = visible_keys(chunk)
        if small(outcomes):
            chunk = torch.softmax(chunk.double().masked_fill(~seen, float("-inf")), -1)
            # A row that sees nothing belongs to padding; any number will do, but no NaN.
            chunk = chunk.nan_to_num(0.0)
        else:
            chunk = part(probabilities)
            chunk = chunk if chunk.dtype == torch.float64 else chunk.float()
        yield rows, chunk, seen


def direct_rows(whole: Rows, mask: Mask, wanted: Wanted) -> Statistics:
    """Return the statistics of whole rows, chunk by chunk, on any device.

    Args:
        whole: gives the rows.
        mask: of the scores.
        wanted: which statistics to compute.
    """
    return _joined(
        [
            _statistics(
                Outcomes(
                    part.probabilities,
                    first=None if mask.first is None else mask.first[..., part.places],
                    start=mask.start,
                    previous=part.places.start + mask.shift - 1,
                ),
                wanted,
            )
            for part in whole(None)
        ]
    )


def rows_of_scores(
    scores: Float[Tensor, "prompt head query outcome"],
    probabilities: Float[Tensor, "prompt head query outcome"],
    wanted: Wanted,
    *,
    shift: int,
    start: Int[Tensor, "#prompt #head"] | None,
    sink: bool,
) -> tuple[Statistics, Tensor]:
    """Return the statistics of a softmax that the model computed itself, and its visible keys.

    Args:
        scores: the argument of the softmax, masked.
        probabilities: its result.
        wanted: which statistics to compute.
        shift: where query 0 is on the axis of the keys.
        start: where the first token is among the keys; None where it is key 0 for all.
        sink: whether the last outcome is a sink and no key.
    """
    parts, counts = [], []
    for rows, chunk, seen in _outcomes(scores, probabilities, None):
        outcomes = Outcomes(
            chunk,
            first=seen.to(torch.uint8).argmax(-1),
            start=start,
            previous=rows.start + shift - 1,
            sink=sink,
        )
        parts.append(_statistics(outcomes, wanted))
        counts.append(seen.sum(-1))
    return _joined(parts), torch.cat(counts, -1)


def _statistics(rows: Outcomes, wanted: Wanted) -> Statistics:
    found = {row.name: row.of_outcomes(rows) for row in wanted}
    return {name: value for name, value in found.items() if value is not None}


def _joined(parts: Sequence[Mapping[str, Float[Tensor, "prompt head _"]]]) -> Statistics:
    return {name: torch.cat([part[name] for part in parts], -1) for name in parts[0]}
