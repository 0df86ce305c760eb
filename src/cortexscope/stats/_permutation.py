"""Permutations of prompts, and the p-value that they give."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexscope import native

__all__ = [
    "Remembered",
    "Shuffler",
    "bins_of",
    "p_value",
    "permuted_sums",
    "shuffles",
    "smallest",
]

Shuffler = Callable[[NDArray[np.intp], int], NDArray[Any]]
"""Gives permutations within strata, so many, as `shuffles` does."""

_ROUNDING = 1e-9
_SMALLEST_BIN = 8
_MOST_BINS = 10
_TOGETHER = 128
_CACHED = 1 << 19
"""Values that are permuted together: with fewer the columns would be read more often."""


def bins_of(logs: NDArray[np.float64], tasks: int) -> NDArray[np.intp]:
    """Return each unit's bin of about equal length, [unit].

    Bins have about as many units as there are tasks and at least 8; there are at most 10. Units of
    one length are never parted.

    Args:
        logs: log length of each unit, [unit].
        tasks: number of tasks.
    """
    bins = int(np.clip(len(logs) // max(tasks, _SMALLEST_BIN), 1, _MOST_BINS))
    edges = np.quantile(logs, np.arange(1, bins) / bins) if len(logs) else np.empty(0)
    return np.searchsorted(np.unique(edges), logs)


def shuffles(
    strata: NDArray[np.intp],
    times: int,
    *,
    rng: np.random.Generator,
    dtype: type[np.integer[Any]] = np.intp,
) -> NDArray[Any]:
    """Return permutations of the units that only exchange units of one stratum, [times, unit].

    Args:
        strata: the stratum of each unit, [unit]; all the same for permutations of everything.
        times: how many.
        rng: draws them.
        dtype: of the result.
    """
    orders = np.empty((times, len(strata)), dtype=dtype)
    for stratum in np.unique(strata):
        places = np.flatnonzero(strata == stratum).astype(dtype)
        for start in range(0, times, _TOGETHER):
            part = orders[start : start + _TOGETHER]
            part[:, places] = rng.permuted(np.tile(places, (len(part), 1)), axis=1)
    return orders


class Remembered:
    """Shuffles that only the seed and the strata decide, made of few that are drawn once.

    So a p-value is the same whatever is tested beside it, and quantities of the same units share
    their shuffles, as a test of all at once needs it. Threads may share them.

    A stratum's shuffles are those of a round number of units, of which the others are left out, for
    that takes a third of the time that drawing takes. Each stratum of a call has its own.
    """

    _MOST = 3 << 26
    """Bytes of shuffles that are kept, besides those that they are made of."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[tuple[bytes, int], NDArray[Any]] = {}
        self._drawn: dict[tuple[int, int, int], NDArray[Any]] = {}
        self._making, self._drawing = threading.Lock(), threading.Lock()

    def __call__(self, strata: NDArray[np.intp], times: int) -> NDArray[Any]:
        """Return permutations as `shuffles` does, [times, unit]."""
        key = (np.asarray(strata, dtype=np.int64).tobytes(), times)
        made = self._made.get(key)
        if made is None:
            made = self._orders(strata, times)
        with self._making:
            # Those that were used last go last.
            self._made.pop(key, None)
            while self._made and sum(own.nbytes for own in self._made.values()) > self._MOST:
                del self._made[next(iter(self._made))]
            self._made[key] = made
        return made

    def _orders(self, strata: NDArray[np.intp], times: int) -> NDArray[Any]:
        dtype = smallest(len(strata))
        # One stratum after the other, as they are drawn, and back: units one by one take longer.
        units = np.argsort(strata, kind="stable")
        back = np.argsort(units)
        ends = np.cumsum(np.unique(strata, return_counts=True)[1]).tolist()
        drawn = [
            (self._of(number, end - first, times), units[first:end].astype(dtype), first, end)
            for number, (first, end) in enumerate(pairwise([0, *ends]))
        ]
        orders = np.empty((times, len(strata)), dtype=dtype)
        for start in range(0, times, _TOGETHER):
            part = orders[start : start + _TOGETHER]
            for own, places, first, end in drawn:
                kept = own[start : start + _TOGETHER]
                if kept.shape[1] > len(places):
                    kept = kept[kept < len(places)].reshape(len(part), -1)
                part[:, first:end] = places.take(kept, mode="clip") if len(drawn) > 1 else kept
            if len(drawn) > 1:
                part[:] = part.take(back, axis=1, mode="clip")
        return orders

    def _of(self, number: int, units: int, times: int) -> NDArray[Any]:
        """Return permutations of as many units or more, for a stratum of that number."""
        step = 1 << max((units - 1).bit_length() - 4, 0)
        more = -(-units // step) * step
        key = (number, more, times)
        with self._drawing:
            if key not in self._drawn:
                rng = np.random.default_rng([self._seed, *key])
                whole = np.zeros(more, dtype=np.intp)
                self._drawn[key] = shuffles(whole, times, rng=rng, dtype=smallest(more))
            return self._drawn[key]


def smallest(units: int) -> type[np.integer[Any]]:
    """Return the type for places of so many units: small ones take a quarter of the memory."""
    return np.uint16 if units <= 1 << 16 else np.uint32


def permuted_sums(
    values: NDArray[np.float64], orders: NDArray[Any], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sums of permuted values times columns, [permutation, column].

    Args:
        values: [unit].
        orders: permutations of the units, [permutation, unit].
        columns: [unit, column].
    """
    found = native.permuted_sums(values, orders, columns)
    if found is not None:
        return found
    sums = np.empty((len(orders), columns.shape[1]))
    size = max(_CACHED // len(values), 1)
    for start in range(0, len(orders), size):
        part = orders[start : start + size].astype(np.intp)
        # To look whether each is in range, which all are, takes as long as to take its value.
        # Unlike `matmul`, this leaves other threads alone where the product is a small one.
        np.dot(values.take(part, mode="clip"), columns, out=sums[start : start + size])
    return sums


def p_value(found: float, permuted: NDArray[np.float64]) -> float:
    """Return the share of statistics that are at least the one found, which counts as one of them.

    (b + 1) / (m + 1) with b of m permuted statistics reaching the one found: never 0, and exact
    for a random choice of permutations. Statistics that differ by rounding alone are equal.

    Example:
        >>> p_value(3.0, np.array([1.0, 2.0, 3.0]))
        0.5
    """
    reached = permuted >= found - _ROUNDING * abs(found)
    return float((np.count_nonzero(reached) + 1) / (len(permuted) + 1))
