"""Rank correlations of quantities over resamples of their prompts, without ranking each anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.stats._permutation import smallest
from cortexscope.threads import threaded

__all__ = ["resampled_rank_correlations"]

Floats = NDArray[np.float64]

_TOGETHER = 1 << 22
"""Ranks that are held at once."""


def resampled_rank_correlations(
    columns: ArrayLike, *, rng: np.random.Generator, resamples: int = 2000
) -> Floats:
    """Return Spearman's rho of each two quantities in each bootstrap resample of the units.

    A unit that a resample holds twice ties with itself: ties have their mean rank, as everywhere.

    Args:
        columns: [unit, quantity], finite.
        rng: draws the units.
        resamples: how many.

    Returns:
        [resample, quantity, quantity]; NaN where a quantity is the same for all units drawn.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> rising = np.arange(20.0)
        >>> found = resampled_rank_correlations(
        ...     np.stack([rising, rising**3], 1), rng=rng, resamples=3
        ... )
        >>> found[:, 0, 1].round(6).tolist()
        [1.0, 1.0, 1.0]
    """
    table = np.asarray(columns, dtype=np.float64)
    units = len(table)
    parts = max(1, resamples * units * table.shape[1] // _TOGETHER)
    even = np.full(units, 1 / units)
    split = [
        rng.multinomial(units, even, size=len(part)).astype(smallest(units + 1))
        for part in np.array_split(np.arange(resamples), parts)
    ]
    return np.concatenate(list(threaded(lambda part: _correlations(table, part), split)))


def _correlations(table: Floats, drawn: NDArray[Any]) -> Floats:
    counts = drawn.astype(np.float64)
    ranks = np.stack(list(_ranks(table, counts))) - (counts.shape[1] + 1) / 2
    weighted = ranks * np.sqrt(counts)
    products = np.einsum("jdn,kdn->djk", weighted, weighted, optimize=True)
    sizes = np.sqrt(np.einsum("djj->dj", products))
    sizes = np.where(sizes > 0, sizes, np.nan)
    return np.asarray(products / sizes[:, :, None] / sizes[:, None, :])


def _ranks(table: Floats, counts: Floats) -> Iterator[Floats]:
    """Yield each quantity's mean rank of each unit in each resample, [resample, unit]."""
    for column in table.T:
        _, group = np.unique(column, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        # To look whether each is in range, which all are, takes as long as to take its value.
        alike = counts.take(order, axis=1, mode="clip")
        if len(starts) < len(order):
            alike = np.add.reduceat(alike, starts, axis=1)
        ranks = alike.cumsum(axis=1)
        alike -= 1.0
        alike /= 2.0
        ranks -= alike
        yield ranks.take(group, axis=1, mode="clip")
