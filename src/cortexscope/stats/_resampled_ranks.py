"""Rank correlations of quantities over resamples of their prompts, without ranking each anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope import native
from cortexscope.stats._permutation import smallest
from cortexscope.threads import threaded

__all__ = ["resampled_rank_correlations"]

Floats = NDArray[np.float64]

_TOGETHER = 1 << 19
"""Ranks that are worked on together, which the processor's cache holds."""


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
    orders = [_Order.of(column) for column in table.T]
    parts = max(1, resamples * units * table.shape[1] // _TOGETHER)
    split = [_drawn(rng, units, len(part)) for part in np.array_split(np.arange(resamples), parts)]
    return np.concatenate(list(threaded(lambda part: _correlations(orders, part), split)))


def _drawn(rng: np.random.Generator, units: int, times: int) -> NDArray[Any]:
    """Return how often each unit is drawn, [resample, unit]."""
    drawn = np.empty((times, units), dtype=smallest(units + 1))
    for counts in drawn:
        # A tenth of the time of a multinomial draw.
        counts[:] = np.bincount(rng.integers(units, size=units), minlength=units)
    return drawn


class _Order(NamedTuple):
    """The order of a quantity's units."""

    units: NDArray[np.intp]
    """From the lowest, [unit]."""
    starts: NDArray[np.intp]
    """Where in it another value begins."""
    group: NDArray[np.intp]
    """Which of the values each unit has, [unit]."""

    @classmethod
    def of(cls, column: Floats) -> _Order:
        _, group = np.unique(column, return_inverse=True)
        units = np.argsort(group, kind="stable")
        return cls(units, np.flatnonzero(np.diff(group[units], prepend=-1)), group)

    def weigh(self, counts: NDArray[Any], weighted: Floats) -> None:
        """Put what has rank correlations as its products into `weighted`, [resample, unit].

        Two times each unit's rank less the mean of these, and times the root of how often it was
        drawn.
        """
        if native.weigh_ranks(counts, self.units, self.starts, weighted):
            return
        np.multiply(self._twice_ranks(counts), np.sqrt(counts, dtype=np.float64), out=weighted)

    def _twice_ranks(self, counts: NDArray[Any]) -> NDArray[np.int64]:
        """Return two times each unit's mean rank less that of all, [resample, unit]."""
        # To look whether each is in range, which all are, takes as long as to take its value.
        alike = counts.take(self.units, axis=1, mode="clip")
        if len(self.starts) < len(self.units):
            alike = np.add.reduceat(alike, self.starts, axis=1, dtype=np.int64)
        ranks = alike.cumsum(axis=1, dtype=np.int64)
        ranks *= 2
        ranks -= alike
        ranks -= len(self.units)
        return ranks.take(self.group, axis=1, mode="clip")


def _correlations(orders: Sequence[_Order], counts: NDArray[Any]) -> Floats:
    times, units = counts.shape
    weighted = np.empty((times, len(orders), units))
    for place, order in enumerate(orders):
        order.weigh(counts, weighted[:, place])
    products = weighted @ weighted.transpose(0, 2, 1)
    sizes = np.sqrt(np.einsum("djj->dj", products))
    sizes = np.where(sizes > 0, sizes, np.nan)
    return np.asarray(products / sizes[:, :, None] / sizes[:, None, :])
