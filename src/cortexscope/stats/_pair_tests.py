"""Whether tasks differ, pair by pair: tests by exchanging prompts, of all pairs as one family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._exchanges import coupled, distinct
from cortexscope.stats._fit import Fit
from cortexscope.stats._max_t import step_down
from cortexscope.stats._permutation import bins_of
from cortexscope.stats._units import Units

__all__ = ["PairTests", "pair_tests"]

Floats = NDArray[np.float64]

# Of the mean square that could be: below it a permutation is fitted exactly.
_EXACT = 1e-9
# Values of permutations that are in memory together, which the processor's cache holds.
_TOGETHER = 1 << 16


class PairTests(NamedTuple):
    """Tests of pairs of tasks, in the order of the pairs; NaN where undefined."""

    p: Floats
    """Of each pair alone."""
    p_max_t: Floats
    """Westfall and Young's step-down p, of all pairs as one family."""
    p_least: Floats
    """The smallest p-value that was reachable, adjusted or not."""
    methods: tuple[str, ...]
    """How p was found; empty where it is undefined."""


def pair_tests(
    units: Units,
    fits: Sequence[Fit],
    pairs: Sequence[tuple[int, int]],
    *,
    rng: np.random.Generator,
    permutations: int,
) -> PairTests:
    """Return tests of whether two tasks differ, each on its own and in the family of all pairs.

    What is left of the values if the two tasks are equal is permuted over their prompts (Freedman
    and Lane), within bins of about equal length where there is a curve, and tasks and curve are
    fitted again. The statistic is the difference over its own error (HC2; Welch's t without a
    curve), so that tasks may scatter differently. A pair's permutations touch its two tasks alone,
    so a third that differs changes nothing of its test, and those of all pairs are coupled
    (`coupled`): step-down max-T over them keeps the family (Westfall and Young 1993; Romano and
    Wolf 2005, Econometrica 73, 1237-1282). It has no floor that rises with the number of pairs.

    Args:
        units: with the curves of which the fits are.
        fits: of each model.
        pairs: places of tasks, the first before the second; those that cannot be compared left out.
        rng: draws the permutations.
        permutations: how many.
    """
    curved = any(basis.shape[1] for basis in units.bases)
    keys = rng.random((permutations, len(units)))
    statistics = np.empty((permutations + 1, len(pairs)))
    least, methods = np.empty(len(pairs)), []
    for place, (first, second) in enumerate(pairs):
        mine = np.isin(units.codes, (first, second))
        size = max(_TOGETHER // int(mine.sum()), 1)
        parts = [slice(at, at + size) for at in range(0, permutations, size)]
        bins = bins_of(units.logs[mine], 2) if curved else np.zeros(mine.sum(), dtype=np.intp)
        of_second = units.codes[mine] == second
        groups = [np.flatnonzero(units.codes == task) for task in (first, second)]
        if curved or min(map(len, groups)) < 2:
            statistic = _of_orders(units, fits, mine, first, second)
            statistics[0, place] = statistic(np.arange(mine.sum())[None])[0]
            for part in parts:
                orders = coupled(keys[part][:, mine], of_second, bins)
                statistics[1:, place][part] = statistic(orders)
        else:
            relabelled = _of_first(fits, mine, first, second, groups)
            statistics[0, place] = relabelled(~of_second[None])[0]
            for part in parts:
                statistics[1:, place][part] = relabelled(_first(keys[part], groups))
        sizes = np.bincount(bins)
        ways = (
            prod(factorial(int(size)) for size in sizes)
            if curved
            else distinct(int((~of_second).sum()), int(of_second.sum()))
        )
        least[place] = max(1 / ways, 1 / (permutations + 1))
        kind = (
            f"Freedman-Lane permutations within {np.count_nonzero(sizes)} length bins"
            if curved
            else "relabellings"
        )
        methods.append(f"{permutations} random {kind}")
    p, adjusted = np.maximum(step_down(statistics), least)
    # The permutations of one pair are exact where those of all together are nearly so.
    return PairTests(p, np.maximum(p, adjusted), least, tuple(methods))


def _first(keys: Floats, groups: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
    """Return which of two groups' units `coupled` puts into the first, [exchange, unit]."""
    turned = np.hstack([keys[:, groups[0]], 1.0 - keys[:, groups[1]]])
    number = len(groups[0])
    last = np.partition(turned, number - 1, axis=1)[:, number - 1]
    return np.asarray(turned <= last[:, None])


def _of_first(
    fits: Sequence[Fit],
    mine: NDArray[np.bool_],
    first: int,
    second: int,
    groups: Sequence[NDArray[np.intp]],
) -> Callable[[NDArray[np.bool_]], Floats]:
    """Return what gives, without a curve, the statistic of those that are put first.

    The same as `_of_orders`; sums over the first group are all that it takes.
    """
    # Without a curve all models are fitted alike.
    rest = np.sum([_rest(fit, first, second) for fit in fits], axis=0)[mine]
    scale = np.sum([(_rest(fit, first, second)[mine] ** 2).mean() for fit in fits])
    columns = np.column_stack([rest, rest**2])
    whole = columns.sum(axis=0)
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    # What a unit's square counts: its share, over what the fit leaves of its own error.
    weights = 1.0 / (sizes**2 * (1.0 - 1.0 / sizes))
    least = _EXACT * float((weights * sizes).sum() * scale)

    def statistic(chosen: NDArray[np.bool_]) -> Floats:
        inside = chosen.astype(np.float64) @ columns
        (one, squares_one), (two, squares_two) = inside.T, (whole - inside).T
        squares = weights[0] * (squares_one - one**2 / sizes[0])
        squares += weights[1] * (squares_two - two**2 / sizes[1])
        return np.asarray(
            np.abs(one / sizes[0] - two / sizes[1]) / np.sqrt(np.maximum(squares, least))
        )

    return statistic


def _rest(fit: Fit, first: int, second: int) -> Floats:
    """Return what is left of the values if the two tasks are equal, [unit]."""
    share = fit.means[first] - fit.means[second]
    return np.asarray(fit.left + share * float(share @ fit.values) / float(share @ share))


def _of_orders(
    units: Units, fits: Sequence[Fit], mine: NDArray[np.bool_], first: int, second: int
) -> Callable[[NDArray[np.intp]], Floats]:
    """Return what gives the size of the studentised difference in orders of both tasks' units."""
    known, scale = [], 0.0
    for fit in fits:
        share = fit.means[first] - fit.means[second]
        rest = _rest(fit, first, second)
        others = np.where(mine, 0.0, rest)
        basis = fit.basis[mine]
        spread = (share / np.sqrt(fit.free))[mine]
        known.append((rest[mine], share[mine], others @ share, basis, others @ fit.basis, spread))
        scale += float((spread**2).sum()) * float((rest[mine] ** 2).mean())

    def statistic(orders: NDArray[np.intp]) -> Floats:
        difference, moved = np.zeros(len(orders)), np.zeros(orders.shape)
        for rest, share, other, basis, fitted, spread in known:
            # To look whether each is in range, which all are, takes as long as to take its value.
            rows = rest.take(orders, mode="clip")
            difference += rows @ share + float(other)
            moved += (rows - (rows @ basis + fitted) @ basis.T) * spread
        squares = np.maximum((moved**2).sum(axis=1), _EXACT * scale)
        return np.asarray(np.abs(difference) / np.sqrt(squares))

    return statistic
