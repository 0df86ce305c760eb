"""The ways to exchange prompts that change nothing if there is no effect."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from cortexscope.errors import UsageError

__all__ = ["Exchanges", "distinct", "relabellings", "sign_flips"]


@dataclass(frozen=True, slots=True, eq=False)
class Exchanges:
    """All exchanges, or a random choice of them."""

    rows: NDArray[np.float64]
    """What each exchange does to each unit, [exchange, unit]: -1 where its sign is flipped and 1
    where not, or 1 where it is put into the first group and 0 where into the second."""
    exact: bool
    """Whether these are all there are, the identity among them."""
    method: str
    """How many of which kind, in a few words."""

    def p_values(self, reached: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """Return p-values from how many exchanges reach what is found, which counts as one."""
        if self.exact:
            return np.asarray(reached / len(self.rows))
        return np.asarray((reached + 1) / (len(self.rows) + 1))

    def least(self, share: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the smallest p-value reachable, of quantities with that share of all exchanges."""
        return np.asarray(share if self.exact else np.maximum(share, 1.0 / (len(self.rows) + 1)))


def sign_flips(n: int, *, rng: np.random.Generator, permutations: int = 10_000) -> Exchanges:
    """Return flips of the signs of n paired differences; all of them where they are few.

    Args:
        n: how many differences.
        rng: draws them.
        permutations: how many are drawn, and up to how many all are taken.

    Raises:
        UsageError: if `permutations` is less than 1.

    Example:
        >>> sign_flips(2, rng=np.random.default_rng(0)).rows.tolist()
        [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
    """
    _check(permutations)
    exact = 2**n <= permutations
    if exact:
        flipped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        flipped = rng.integers(2, size=(permutations, n))
    kind = f"all {2**n}" if exact else f"{permutations} random"
    # In place, since those of 10,000 prompts are large.
    signs = flipped.astype(np.float64)
    signs *= -2.0
    signs += 1.0
    return Exchanges(signs, exact, f"{kind} sign flips")


def relabellings(
    first: int, second: int, *, rng: np.random.Generator, permutations: int = 10_000
) -> Exchanges:
    """Return ways to choose a first group of that size from both; all of them where they are few.

    Args:
        first: number of units in the first group.
        second: number of units in the second group.
        rng: draws them.
        permutations: how many are drawn, and up to how many all are taken.

    Raises:
        UsageError: if `permutations` is less than 1.

    Example:
        >>> relabellings(1, 2, rng=np.random.default_rng(0)).rows.tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    _check(permutations)
    n, ways = first + second, comb(first + second, first)
    exact = ways <= permutations
    if exact:
        chosen = np.array(list(combinations(range(n), first)), dtype=np.intp)
        rows = np.zeros((len(chosen), n))
        np.put_along_axis(rows, chosen, 1.0, axis=1)
    else:
        rows = _lowest(rng.random((permutations, n)), first)
    kind = f"all {ways}" if exact else f"{permutations} random"
    return Exchanges(rows, exact, f"{kind} relabellings")


def _lowest(draws: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return 1 for the lowest draws of each row, so many, and 0 for the others, [row, draw]."""
    if not count:
        return np.zeros(draws.shape)
    limits = np.partition(draws, count - 1, axis=1)[:, count - 1 : count]
    rows = (draws <= limits).astype(np.float64)
    for row in np.flatnonzero(rows.sum(axis=1) > count):
        # Of equal ones the first count.
        rows[row, np.argsort(draws[row], kind="stable")[count:]] = 0.0
    return rows


def distinct(first: int, second: int) -> int:
    """Return in how many ways a first group can be chosen that differ in a two-sided test.

    Of two groups of one size, exchanging them whole changes nothing.

    Example:
        >>> distinct(1, 2), distinct(2, 2)
        (3, 3)
    """
    ways = comb(first + second, first)
    return max(ways // 2, 1) if first == second else ways


def _check(permutations: int) -> None:
    if permutations < 1:
        raise UsageError(f"permutations must be at least 1, and is {permutations}.")
