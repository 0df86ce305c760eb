"""Whether tasks differ, pair by pair: tests by exchanging prompts, of all pairs as one family."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._coupled import Coupled, Coupler
from cortexscope.stats._exchanges import distinct
from cortexscope.stats._fit import Fit
from cortexscope.stats._max_t import step_down
from cortexscope.stats._permutation import bins_of
from cortexscope.stats._units import Units

__all__ = ["PairTests", "pair_tests"]

Floats = NDArray[np.float64]

# Of the mean square that could be: below it a permutation is fitted exactly.
_EXACT = 1e-9
# Values that are moved together: more of them lose more in memory than they save in calls.
_TOGETHER = 1 << 19


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
    couple: Coupler,
    permutations: int,
) -> PairTests:
    """Return tests of whether two tasks differ, each on its own and in the family of all pairs.

    What is left of the values if the two tasks are equal is permuted over their prompts (Freedman
    and Lane), within bins of about equal length where there is a curve, and tasks and curve are
    fitted again. The statistic is the difference over its own error (HC2; Welch's t without a
    curve), so that tasks may scatter differently. A pair's permutations touch its two tasks alone,
    so a third that differs changes nothing of its test, and those of all pairs are coupled
    (`Coupled`): step-down max-T over them keeps the family (Westfall and Young 1993; Romano and
    Wolf 2005, Econometrica 73, 1237-1282). It has no floor that rises with the number of pairs.

    Args:
        units: with the curves of which the fits are.
        fits: of each model.
        pairs: places of tasks, the first before the second; those that cannot be compared left out.
        couple: gives the permutations, from the tasks of the units.
        permutations: how many.
    """
    if not pairs:
        nothing = np.empty(0)
        return PairTests(nothing, nothing, nothing, ())
    curved = any(basis.shape[1] for basis in units.bases)
    coupled = couple(units.codes, permutations)
    statistics = np.empty((permutations + 1, len(pairs)))
    least, methods = np.empty(len(pairs)), []
    plain: list[int] = []
    for place, (first, second) in enumerate(pairs):
        sizes = units.counts[[first, second]]
        logs = units.logs[np.isin(units.codes, (first, second))]
        bins = bins_of(logs, 2) if curved else np.zeros(len(logs), dtype=np.intp)
        if curved or sizes.min() < 2:
            statistics[:, place] = _permuted(fits, coupled, first, second, bins)
        else:
            plain.append(place)
        ways, kind = distinct(*sizes.tolist()), "relabellings"
        if curved:
            in_bins = [size for size in np.bincount(bins).tolist() if size]
            ways = prod(map(factorial, in_bins))
            kind = f"Freedman-Lane permutations within {len(in_bins)} length bins"
        least[place] = max(1 / ways, 1 / (permutations + 1))
        methods.append(f"{permutations} random {kind}")
    if plain:
        statistics[:, plain] = _relabelled(fits, coupled, [pairs[place] for place in plain])
    p, adjusted = np.maximum(step_down(statistics), least)
    # The permutations of one pair are exact where those of all together are nearly so.
    return PairTests(p, np.maximum(p, adjusted), least, tuple(methods))


def _relabelled(fits: Sequence[Fit], coupled: Coupled, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Return the studentised differences without a curve, as found and of each exchange.

    The same as those of `_permuted`, [1 + exchange, pair]. An exchange leaves the units with the
    lowest keys in the first task and brings those with the highest of the second into it, so sums
    along the keys, which all pairs of a task share, are all that it takes.
    """
    # Without a curve all models are fitted alike, and what is left of a task is 0 on average.
    left = np.sum([fit.left for fit in fits], axis=0)
    columns = np.stack([left, left**2])
    ways = [_Relabelling.of(fits, columns, coupled.groups, *pair) for pair in pairs]
    statistics = np.empty((coupled.times + 1, len(pairs)))
    for place, way in enumerate(ways):
        whole = columns[:, coupled.groups[way.first]].sum(axis=1)
        statistics[0, place] = way.statistic(whole, np.zeros(2), way.sizes[0])
    stayed, joined = np.empty((2, len(pairs), 2, coupled.times))
    orders, staying = coupled.ranked
    size = max(_TOGETHER // orders.shape[1], 1)
    for start in range(0, coupled.times, size):
        part = slice(start, start + size)
        moved = columns.take(orders[part], axis=1)  # [column, exchange, unit]
        sums = [_running(moved[:, :, group]) for group in coupled.groups]
        rows = np.arange(moved.shape[1])
        for place, way in enumerate(ways):
            kept = staying[way.first, way.second][part]
            second = sums[way.second]
            stayed[place, :, part] = sums[way.first][:, rows, kept]
            leaving = way.sizes[0] - kept
            joined[place, :, part] = second[:, :, -1] - second[:, rows, way.sizes[1] - leaving]
    for place, way in enumerate(ways):
        count = staying[way.first, way.second]
        statistics[1:, place] = way.statistic(stayed[place], joined[place], count)
    return statistics


def _running(values: Floats) -> Floats:
    """Return the sums of the first values, from that of none to that of all, [..., 1 + value]."""
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


class _Relabelling(NamedTuple):
    """Two tasks without a curve, of which a sum over those in the first gives the difference."""

    first: int
    second: int
    sizes: tuple[int, int]
    steps: tuple[float, float]
    """From what is left of each task's values to what is left if the two are equal."""
    whole: Floats
    """Sums of the latter and of its squares over both, [2]."""
    least: float
    """The square of an error below which the fit is exact."""

    @classmethod
    def of(
        cls, fits: Sequence[Fit], columns: Floats, groups: Sequence[slice], first: int, second: int
    ) -> _Relabelling:
        """Return it; `columns` are the sum of what the models' fits leave, and its square."""
        one, two = groups[first], groups[second]
        n = one.stop - one.start, two.stop - two.start
        apart = sum(float((fit.means[first] - fit.means[second]) @ fit.values) for fit in fits)
        steps = apart * n[1] / sum(n), -apart * n[0] / sum(n)
        rest = np.concatenate([columns[0, one] + steps[0], columns[0, two] + steps[1]])
        scale = sum(float((_rest(fit, first, second)[np.r_[one, two]] ** 2).mean()) for fit in fits)
        least = _EXACT * scale * sum(1.0 / (size - 1.0) for size in n)
        return cls(first, second, n, steps, np.array([rest.sum(), (rest**2).sum()]), least)

    def statistic(
        self, stayed: Floats, joined: Floats, staying: NDArray[np.integer[Any]] | int
    ) -> Floats:
        """Return the studentised differences.

        Args:
            stayed: sums of `columns` over those of the first task that stay in it, [2, exchange].
            joined: over those of the second that come into it.
            staying: how many stay, [exchange].
        """
        one, squares_one = np.zeros_like(joined)
        for (sums, squares), step, count in (
            (stayed, self.steps[0], staying),
            (joined, self.steps[1], self.sizes[0] - staying),
        ):
            one += sums + step * count
            squares_one += squares + 2.0 * step * sums + step**2 * count
        two, squares_two = self.whole[0] - one, self.whole[1] - squares_one
        squares = np.zeros_like(one)
        for total, square, n in (
            (one, squares_one, self.sizes[0]),
            (two, squares_two, self.sizes[1]),
        ):
            # Its share, over what the fit leaves of its own error.
            squares += (square - total**2 / n) / (n * (n - 1.0))
        difference = one / self.sizes[0] - two / self.sizes[1]
        return np.asarray(np.abs(difference) / np.sqrt(np.maximum(squares, self.least)))


def _permuted(
    fits: Sequence[Fit],
    coupled: Coupled,
    first: int,
    second: int,
    bins: NDArray[np.intp],
) -> Floats:
    """Return the studentised difference as it is found and of each exchange, [1 + exchange]."""
    mine = np.r_[coupled.groups[first], coupled.groups[second]]
    places = np.argsort(bins, kind="stable")
    known, scale = [], 0.0
    for fit in fits:
        share = fit.means[first] - fit.means[second]
        rest = _rest(fit, first, second)
        # The other tasks' own columns are 0 here.
        columns = fit.basis[:, fit.basis[mine].any(axis=0)]
        others = np.delete(rest, mine) @ np.delete(np.column_stack([share, columns]), mine, axis=0)
        spread = (share / np.sqrt(fit.free))[mine]
        scale += float((spread**2).sum()) * float((rest[mine] ** 2).mean())
        both = np.column_stack([share[mine], columns[mine]])[places]
        spread = spread[places]
        known.append((rest[mine], spread, both, others, both[:, 1:].T * spread))

    back = np.vstack([part for *_, part in known])

    def statistic(orders: NDArray[np.intp]) -> Floats:
        moved, fitted, difference = np.empty(orders.shape), [], np.zeros(len(orders))
        spare = np.empty(orders.shape)
        for number, (rest, spread, both, others, _) in enumerate(known):
            # The first is written where all are added up.
            rows = spare if number else moved
            # To look whether each is in range, which all are, takes as long as to take its value.
            rest.take(orders, mode="clip", out=rows)
            sums = rows.dot(both) + others
            difference += sums[:, 0]
            fitted.append(sums[:, 1:])
            rows *= spread
            if number:
                moved += rows
        moved -= np.dot(np.hstack(fitted), back, out=spare)
        squares = np.einsum("ij,ij->i", moved, moved)
        return np.asarray(np.abs(difference) / np.sqrt(np.maximum(squares, _EXACT * scale)))

    statistics = np.empty(coupled.times + 1)
    statistics[0] = statistic(places[None])[0]
    for exchanges, orders in coupled.orders(first, second, bins):
        statistics[1:][exchanges] = statistic(orders)
    return statistics


def _rest(fit: Fit, first: int, second: int) -> Floats:
    """Return what is left of the values if the two tasks are equal, [unit]."""
    share = fit.means[first] - fit.means[second]
    return np.asarray(fit.left + share * float(share @ fit.values) / float(share @ share))
