"""Exchanges of two groups' units, drawn so that those of all pairs of groups vary together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coupled"]

_BITS = 53
"""Of a random number."""
_FLOATS = 1 << 61
"""A bit with which lower ones are a floating-point number above 0, normal and finite."""
_TOGETHER = 1 << 16
"""Keys that are worked on together, which the processor's cache holds."""


class Coupled:
    """Random exchanges of the units of any two groups.

    Each exchange has a key of each unit. In a pair, the second group's are turned round, and the
    units are put in the order of these: each order is as likely as any other. Two pairs that share
    a group move its units alike, out of it and back, since a unit's key decides: so the differences
    of all pairs of groups are exchanged together about as they vary together.
    """

    def __init__(self, groups: NDArray[np.intp], times: int, *, rng: np.random.Generator) -> None:
        """Draw the keys.

        Args:
            groups: the group of each unit, rising, [unit].
            times: number of exchanges.
            rng: draws them.
        """
        starts = np.searchsorted(groups, np.arange(int(groups[-1]) + 2)).tolist()
        self.groups = [slice(*ends) for ends in pairwise(starts)]
        """Where each group's units are."""
        self.times = times
        # A key, and below it room for a place, so that sorting gives places: of whole numbers it
        # takes a fifth of the time that `argsort` takes. Of many units a key's last bits have no
        # room.
        self._places = max(len(groups) - 1, 1).bit_length()
        self._bits = min(_BITS, 61 - self._places)
        self._keys = np.empty((times, len(groups)), dtype=np.uint64)
        for part in self._parts(len(groups)):
            own = self._keys[part]
            np.copyto(own, rng.random(own.shape) * 2.0**self._bits, casting="unsafe")
            own <<= np.uint64(self._places)
            own |= np.uint64(_FLOATS)

    def _parts(self, units: int, together: int = _TOGETHER) -> Iterator[slice]:
        size = max(together // units, 1)
        return (slice(at, at + size) for at in range(0, self.times, size))

    def orders(
        self, first: int, second: int, strata: NDArray[np.intp]
    ) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Yield permutations of two groups' units within strata.

        Args:
            first: a group, whose units come first.
            second: another group.
            strata: what a unit stays within, of both groups' units, [unit].

        Yields:
            Which exchanges, and their orders [exchange, unit]: the places of the units that come
            to the places `np.argsort(strata, kind="stable")`.

        Example:
            >>> coupled = Coupled(np.array([0, 0, 1]), 1, rng=np.random.default_rng(0))
            >>> [orders.tolist() for _, orders in coupled.orders(0, 1, np.zeros(3, int))]
            [[[1, 0, 2]]]
        """
        places = np.argsort(strata, kind="stable")
        mine = np.r_[self.groups[first], self.groups[second]][places]
        tags = places.astype(np.uint64)
        tags[mine >= self.groups[second].start] ^= np.uint64((2**self._bits - 1) << self._places)
        ends = np.flatnonzero(np.diff(strata[places], append=-1)) + 1
        within = [slice(*cut) for cut in pairwise([0, *ends])]
        for part in self._parts(len(strata)):
            numbers = self._keys[part].take(mine, axis=1, mode="clip")
            numbers ^= tags
            for stratum in within:
                _sort(numbers[:, stratum])
            numbers &= np.uint64(2**self._places - 1)
            yield part, numbers.view(np.int64)

    def ranked(self) -> Iterator[tuple[slice, list[NDArray[np.intp]], list[NDArray[np.uint64]]]]:
        """Yield which exchanges, and of each group its units in the order of their keys, and these.

        Places are those in all units, [exchange, rank].
        """
        for part in self._parts(self._keys.shape[1], 8 * _TOGETHER):
            orders, sorted_keys = [], []
            for group in self.groups:
                numbers = self._keys[part, group] | np.arange(
                    group.stop - group.start, dtype=np.uint64
                )
                _sort(numbers)
                places = (numbers & np.uint64(2**self._places - 1)).view(np.int64)
                orders.append(places + group.start)
                numbers &= np.uint64(_FLOATS - 1)
                sorted_keys.append(numbers >> np.uint64(self._places))
            yield part, orders, sorted_keys

    def staying(self, first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return how many of the first group an exchange leaves in it, [exchange].

        They are those of the lowest keys, and those of the second group's highest join them.

        Args:
            first: a group's keys as `ranked` yields them, [exchange, rank].
            second: another's.
        """
        size = min(first.shape[1], second.shape[1])
        more = first.shape[1] - size
        # The rank-th of the first is among as many as its group holds if it is below the turned
        # key of that of the second which would else be the last.
        below = first[:, more:] + second[:, second.shape[1] - size :] < np.uint64(2**self._bits - 1)
        return np.asarray(more + np.count_nonzero(below, axis=1))


def _sort(numbers: NDArray[np.uint64]) -> None:
    """Sort keys row by row, in place."""
    # The order of floating-point numbers above 0 is that of their bits, and they are sorted in
    # three quarters of the time.
    numbers.view(np.float64).sort(axis=1)
