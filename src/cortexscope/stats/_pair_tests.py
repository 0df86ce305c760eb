"""Whether tasks differ, pair by pair: tests by exchanging prompts, of all pairs as one family."""

from __future__ import annotations

from collections.abc import Sequence
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
        bins = bins_of(units.logs[mine], 2) if curved else np.zeros(mine.sum(), dtype=np.intp)
        of_second = units.codes[mine] == second
        orders = coupled(keys[:, mine], of_second, bins)
        orders = np.vstack([np.arange(orders.shape[1]), orders])
        statistics[:, place] = _statistics(units, fits, mine, first, second, orders)
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


def _statistics(
    units: Units,
    fits: Sequence[Fit],
    mine: NDArray[np.bool_],
    first: int,
    second: int,
    orders: NDArray[np.intp],
) -> Floats:
    """Return the size of the studentised difference in each permutation, [permutation]."""
    difference = np.zeros(len(orders))
    moved = np.zeros(orders.shape)
    scale = 0.0
    for model, fit in enumerate(fits):
        share = fit.means[first] - fit.means[second]
        values = units.values[:, model]
        # What is left if the two tasks are equal.
        rest = fit.left + share * float(share @ values) / float(share @ share)
        rows = rest[mine][orders]
        others = np.where(mine, 0.0, rest)
        basis = fit.basis[mine]
        fitted = rows @ basis + others @ fit.basis
        difference += rows @ share[mine] + float(others @ share)
        spread = share / np.sqrt(fit.free)
        moved += (rows - fitted @ basis.T) * spread[mine]
        scale += float((spread[mine] ** 2).sum()) * float((rest[mine] ** 2).mean())
    squares = np.maximum((moved**2).sum(axis=1), _EXACT * scale)
    return np.asarray(np.abs(difference) / np.sqrt(squares))
