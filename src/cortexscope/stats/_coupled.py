"""Exchanges of two groups' units, drawn so that those of all pairs of groups vary together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._permutation import smallest

__all__ = ["Coupled", "Coupler", "DrawnOnce", "Ranked"]

Coupler = Callable[[NDArray[np.intp], int], "Coupled"]
"""Gives the exchanges of the units of these groups, so many."""

_BITS = 53
"""Of a random number."""
_FLOATS = 1 << 61
"""A bit with which lower ones are a floating-point number above 0, normal and finite."""
_TOGETHER = 1 << 16
"""Keys that are worked on together, which the processor's cache holds."""
_MOST = 2
"""Exchanges of different groups that are kept."""


class Ranked(NamedTuple):
    """Each group's units in the order of their keys, and how an exchange moves them."""

    orders: NDArray[Any]
    """Places in all units, [exchange, unit]: of the first group in its order, then of the next."""
    staying: dict[tuple[int, int], NDArray[np.int32]]
    """How many of the first of two groups an exchange leaves in it, [exchange]. They are those of
    the lowest keys, and those of the second group's highest join them."""


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
        # A key is a place among all keys, and below it there is room for a unit's, so that sorting
        # gives units: of numbers of 32 bits it takes a fifth of the time that 64 take.
        self._places = max(len(groups) - 1, 1).bit_length()
        self._bits = self._places + 1
        short = self._bits + self._places <= 32
        self._type: type[np.unsignedinteger[Any]] = np.uint32 if short else np.uint64
        self._keys = np.empty((times, len(groups)), dtype=self._type)
        for part in self._parts(len(groups)):
            own = self._keys[part]
            own[:] = _ranks(rng.random(own.shape), self._places)
            own <<= self._type(self._places)

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
        tags = places.astype(self._type)
        tags[mine >= self.groups[second].start] ^= self._type(self._last << self._places)
        ends = np.flatnonzero(np.diff(strata[places], append=-1)) + 1
        within = [slice(*cut) for cut in pairwise([0, *ends])]
        for part in self._parts(len(strata)):
            numbers = self._keys[part].take(mine, axis=1, mode="clip")
            numbers ^= tags
            for stratum in within:
                numbers[:, stratum].sort(axis=1)
            numbers &= self._type(2**self._places - 1)
            yield part, numbers.astype(np.intp)

    @property
    def _last(self) -> int:
        """The highest that a key can be; another less it is that one turned round."""
        return (1 << self._bits) - 1

    @cached_property
    def ranked(self) -> Ranked:
        """What exchanges of whole groups do, which all quantities of these units share."""
        units = self._keys.shape[1]
        orders = np.empty(self._keys.shape, dtype=smallest(units))
        pairs = list(combinations(range(len(self.groups)), 2))
        staying = {pair: np.empty(self.times, dtype=np.int32) for pair in pairs}
        for part in self._parts(units, 8 * _TOGETHER):
            numbers = self._keys[part] | np.arange(units, dtype=self._type)
            for group in self.groups:
                numbers[:, group].sort(axis=1)
            orders[part] = numbers & self._type(2**self._places - 1)
            numbers >>= self._type(self._places)
            sorted_keys = [numbers[:, group] for group in self.groups]
            for first, second in pairs:
                staying[first, second][part] = self._staying(
                    sorted_keys[first], sorted_keys[second]
                )
        return Ranked(orders, staying)

    def _staying(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.intp]:
        """Return how many of the first group stay, of both groups' sorted keys."""
        size = min(first.shape[1], second.shape[1])
        more = first.shape[1] - size
        # The rank-th of the first is among as many as its group holds if it is below the turned
        # key of that of the second which would else be the last.
        below = first[:, more:] + second[:, second.shape[1] - size :] < self._type(self._last)
        return np.asarray(more + np.count_nonzero(below, axis=1))


class DrawnOnce:
    """Gives exchanges that are drawn once for all that have the same groups; threads may share it.

    Args:
        stream: makes the random numbers anew, so that each draws as if it alone did.
    """

    def __init__(self, stream: Callable[[], np.random.Generator]) -> None:
        self._stream = stream
        self._made: dict[tuple[bytes, int], Coupled] = {}
        self._making = threading.Lock()

    def __call__(self, groups: NDArray[np.intp], times: int) -> Coupled:
        """Return the exchanges of the units of these groups."""
        key = (np.asarray(groups, dtype=np.int64).tobytes(), times)
        with self._making:
            made = self._made.pop(key, None)
            while len(self._made) >= _MOST:
                del self._made[next(iter(self._made))]
            # Those that were used last go last.
            self._made[key] = made or Coupled(groups, times, rng=self._stream())
            return self._made[key]


def _ranks(draws: NDArray[np.float64], places: int) -> NDArray[np.uint64]:
    """Return each draw's place among its row and that row turned round, [exchange, unit].

    A draw x turned round is 1 - x. Ranks are from 0 in the lower half, and down from the highest
    number of one bit more than `places` in the upper one, so that turning a draw round turns the
    bits of its rank.

    Args:
        draws: [exchange, unit], from 0 to 1.
        places: bits of a unit's place.
    """
    # Of many units a draw's last bits have no room.
    bits = min(_BITS, 61 - places)
    keys = np.empty(draws.shape, dtype=np.uint64)
    np.copyto(keys, draws * 2.0**bits, casting="unsafe")
    upper = keys >> np.uint64(bits - 1)
    keys ^= upper * np.uint64(2**bits - 1)
    keys <<= np.uint64(places)
    keys |= np.arange(_FLOATS, _FLOATS + draws.shape[1], dtype=np.uint64)
    # The order of floating-point numbers above 0 is that of their bits, and they are sorted in
    # three quarters of the time.
    keys.view(np.float64).sort(axis=1)
    keys &= np.uint64(2**places - 1)
    upper *= np.uint64(2 ** (places + 1) - 1)
    ranks = np.empty_like(keys)
    every = np.arange(draws.shape[1], dtype=np.uint64)[None]
    np.put_along_axis(ranks, keys.view(np.int64), every, axis=1)
    ranks ^= upper
    return ranks
