"""How far apart the tasks lie in each layer's vectors: silhouettes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.stats._layers import (
    Stack,
    UnitVectors,
    standardised,
    unit_vectors,
    without_length,
)
from cortexscope.stats._permutation import bins_of, shuffles

__all__ = ["Separation", "max_t_of", "silhouette_by_layer"]

Floats = NDArray[np.float64]
_CHUNK = 25
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """How far apart the tasks lie, raw and with what length does taken out."""

    layers: pd.DataFrame
    """A row a layer: layer, silhouette, p, p_max_t, adjusted, adjusted_p, adjusted_p_max_t, reason.
    `p_max_t` counts every layer as a chance to find something; a p-value is never 0."""
    tasks: pd.DataFrame
    """A row a layer and task: layer, task, silhouette, adjusted, n (prompts; paraphrases of one
    count as one), reason."""
    n: int
    """Prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts without a finite vector, and those that are the only one of their task."""
    method: str
    """How silhouettes and p-values were found."""


def silhouette_by_layer(
    vectors: Stack,
    tasks: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    n_tokens: ArrayLike,
    rng: np.random.Generator,
    permutations: int = 500,
) -> Separation:
    """Return how much nearer prompts lie to their own task than to the next one, -1 to 1.

    The silhouette of a prompt is (b - a) / max(a, b), with a its mean distance to the others of
    its task and b that to the nearest other task; their mean is 1 where each task is one point and
    around or below 0 where tasks do not matter. Distance is 1 - cosine, of features standardised
    over prompts. The vectors of paraphrases are averaged.

    Raw: p is the share of exchanges of the tasks among all prompts that reach the silhouette.
    Adjusted: a curve in log tokens and a multiple of 1 / tokens, which the first token adds to a
    mean, are taken out of every feature first, whatever the task, and tasks are exchanged within
    bins of about equal length, so that tasks that differ only in length are found no more often
    than chance has it. What a task owes to being long is then lost too.

    Args:
        vectors: [layer, prompt, feature]; NaN or None where there are none.
        tasks: of each prompt.
        clusters: what each prompt belongs to, such as its source; each its own where None.
        n_tokens: of each prompt.
        rng: draws the exchanges.
        permutations: how many.

    Raises:
        UsageError: if shapes do not fit, or prompts of one cluster have different tasks.

    Example:
        >>> points = [[[1.0, 0], [1, 0], [-1, 0], [-1, 0]]]
        >>> found = silhouette_by_layer(
        ...     points, ["a", "a", "b", "b"], n_tokens=[5] * 4, rng=np.random.default_rng(0)
        ... )
        >>> found.layers.silhouette.tolist()
        [1.0]
    """
    stack = unit_vectors(vectors, tasks, clusters, n_tokens)
    alone = stack.units.counts[stack.units.codes] < 2
    bins = bins_of(stack.units.logs[~alone], len(stack.units.tasks))
    raw = _found(stack, ~alone, np.zeros_like(bins), permutations, rng=rng, adjusted=False)
    adjusted = _found(stack, ~alone, bins, permutations, rng=rng, adjusted=True)
    reasons = [one or two for one, two in zip(raw.reasons, adjusted.reasons, strict=True)]
    layers = pd.DataFrame({"layer": np.arange(len(reasons))}).assign(
        silhouette=raw.means, p=raw.p, p_max_t=raw.p_max_t,
        adjusted=adjusted.means, adjusted_p=adjusted.p, adjusted_p_max_t=adjusted.p_max_t,
        reason=pd.Series(reasons, dtype=object),
    )  # fmt: skip
    each = pd.MultiIndex.from_product(
        [range(len(reasons)), stack.units.tasks], names=["layer", "task"]
    ).to_frame(index=False)
    why = [
        reason or ("the task has a single prompt" if count < 2 else None)
        for reason in reasons
        for count in stack.units.counts
    ]
    by_task = each.assign(
        silhouette=raw.by_task.ravel(), adjusted=adjusted.by_task.ravel(),
        n=np.tile(stack.units.counts, len(reasons)),
        reason=pd.Series(why, dtype=object),
    )  # fmt: skip
    method = (
        f"silhouette of 1 - cosine of standardised features; {permutations} exchanges of tasks, "
        f"adjusted ones within {len(np.unique(bins))} length bins"
    )
    left_out = stack.left_out + int(alone.sum())
    return Separation(layers, by_task, int((~alone).sum()), left_out, method)


def max_t_of(found: Floats, permuted: Floats) -> tuple[Floats, Floats]:
    """Return one-sided p-values of positions, each alone and with all of them counted.

    The second is the share of permutations whose largest deviation, in standard deviations over
    permutations, reaches the position's. What is found counts as a permutation, so none is 0.

    Args:
        found: [position]; NaN where undefined.
        permuted: [permutation, position].
    """
    known = ~np.isnan(found)
    rows = np.vstack([found, permuted])[:, known]
    # Statistics that differ by the rounding of single precision alone are equal.
    least = rows[0] - _ROUNDING * np.abs(rows).max(axis=0, initial=0.0)
    p, together = np.full((2, len(found)), np.nan)
    p[known] = (rows >= least).mean(axis=0)
    spread = rows.std(axis=0)
    centre, scale = rows.mean(axis=0), np.where(spread > 0, spread, 1.0)
    largest = ((rows - centre) / scale).max(axis=1, initial=-np.inf)
    together[known] = (largest[:, None] >= (least - centre) / scale).mean(axis=0)
    return p, together


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    means: Floats
    p: Floats
    p_max_t: Floats
    by_task: Floats
    reasons: list[str | None]


def _found(
    stack: UnitVectors,
    kept: NDArray[np.bool_],
    strata: NDArray[np.intp],
    permutations: int,
    *,
    rng: np.random.Generator,
    adjusted: bool,
) -> _Found:
    units = stack.units
    _, codes = np.unique(units.codes[kept], return_inverse=True)
    counts = np.bincount(codes)
    few = "there are fewer than 2 tasks with 2 prompts" if len(counts) < 2 else None
    reasons: list[str | None] = [None] * len(stack.layers)
    orders = shuffles(strata, permutations, rng=rng)
    means = np.full((permutations + 1, len(reasons)), np.nan)
    by_task = np.full((len(reasons), len(units.tasks)), np.nan)
    for layer, values in enumerate(stack.layers):
        points = without_length(values, units) if adjusted else values
        if few is not None or isinstance(points, str):
            reasons[layer] = few or str(points)
            continue
        distances = _cosine_distances(standardised(points[kept]))
        own = _silhouettes(distances, codes[None], counts)[0]
        by_task[layer, units.counts > 1] = np.bincount(codes, weights=own) / counts
        means[0, layer] = own.mean()
        single = distances.astype(np.float32)
        for start in range(0, permutations, _CHUNK):
            rows = codes[orders[start : start + _CHUNK]]
            scores = _silhouettes(single, rows, counts).mean(axis=1, dtype=np.float64)
            means[start + 1 : start + 1 + len(rows), layer] = scores
    return _Found(means[0], *max_t_of(means[0], means[1:]), by_task, reasons)


def _cosine_distances(values: Floats) -> Floats:
    sizes = np.linalg.norm(values, axis=1, keepdims=True)
    directions = values / np.where(sizes > 0, sizes, 1.0)
    distances = np.maximum(1.0 - directions @ directions.T, 0.0)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances)


def _silhouettes(
    distances: NDArray[Any], codes: NDArray[np.intp], counts: NDArray[np.intp]
) -> NDArray[Any]:
    """Return each unit's silhouette under each labelling of codes, [labelling, unit]."""
    n, kind = codes.shape[1], distances.dtype
    own = codes[:, None, :] == np.arange(len(counts))[:, None]  # [labelling, task, unit]
    sums = (own.reshape(-1, n).astype(kind) @ distances).reshape(own.shape)
    a = np.take_along_axis(sums, codes[:, None, :], axis=1)[:, 0] / (counts[codes] - 1).astype(kind)
    sums /= counts[:, None].astype(kind)
    sums[own] = np.inf
    b = sums.min(axis=1)
    larger = np.maximum(a, b)
    return np.asarray(np.where(larger > 0, (b - a) / np.where(larger > 0, larger, 1), 0))
