"""Two tasks at equal lengths: how far apart, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._clusters import constant
from cortexscope.stats._effect_sizes import EffectSize, cliffs_delta, standardised
from cortexscope.stats._limits import Interval
from cortexscope.stats._overlap import overlap_of
from cortexscope.stats._permutation import bins_of, p_value, shuffles
from cortexscope.stats._units import Units

__all__ = ["TaskPair", "adjusted_pairs"]

Floats = NDArray[np.float64]

_METHOD = "Welch's t of the analysis of covariance (HC2)"
_EXACT = 1e-9


@dataclass(frozen=True, slots=True)
class TaskPair:
    """What sets two tasks apart beside their lengths."""

    first: int
    """The first task's place in the tasks of the units."""
    second: int
    difference: float | None
    """The first task's adjusted mean less the second's; None where it is undefined."""
    interval: Interval
    hedges_g: EffectSize
    cliffs_delta: EffectSize
    p: float | None
    """None where it is undefined."""
    method: str
    """How p was found."""
    reason: str | None
    """Why the numbers are undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """One model's values as tasks and a curve in log tokens, by least squares."""

    left: Floats
    """What is left of the values, [unit]."""
    basis: Floats
    """Orthonormal columns that span tasks and curve, [unit, column]."""
    means: Floats
    """What makes the values into each task's mean on the curve, [task, unit]."""
    adjusted: Floats
    """The values as they would be at the model's mean log length, [unit]."""

    @classmethod
    def of(cls, units: Units, model: int) -> _Fit:
        design = np.hstack([np.eye(len(units.tasks))[units.codes], units.bases[model]])
        basis, values = np.linalg.qr(design)[0], units.values[:, model]
        means, slopes = np.split(np.linalg.pinv(design), [len(units.tasks)])
        away = (units.bases[model] - units.typical[model]) @ (slopes @ values)
        return cls(values - basis @ (basis.T @ values), basis, means, values - away)


def adjusted_pairs(
    units: Units, *, rng: np.random.Generator, permutations: int, level: float
) -> Iterator[TaskPair]:
    """Yield every pair of tasks, compared at equal lengths.

    In each model, value = task + curve(log tokens) over all tasks; the difference of two tasks is
    averaged over the models. Its error counts that of the curve; with no curve the interval is
    Welch's. p is Freedman and Lane's: what is
    left if the two tasks are equal is permuted over their prompts, within bins of about equal
    length, and tasks and curve are fitted again.

    Args:
        units: of all tasks.
        rng: draws the permutations.
        permutations: how many.
        level: of the intervals.
    """
    reasons = [units.slopes(model)[1] for model in range(len(units.models))]
    common = next((why for why in reasons if why), None)
    fits = [] if common else [_Fit.of(units, model) for model in range(len(units.models))]
    for first, second in combinations(range(len(units.tasks)), 2):
        pair = _Pair(units, first, second, fits)
        reason = common or pair.reason()
        if reason is not None:
            yield pair.unknown(reason)
            continue
        yield pair.compared(rng=rng, permutations=permutations, level=level)


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    units: Units
    first: int
    second: int
    fits: list[_Fit]

    @property
    def mine(self) -> NDArray[np.bool_]:
        return np.isin(self.units.codes, (self.first, self.second))

    def only(self) -> Units:
        """Return the units of the two tasks."""
        units, mine = self.units, self.mine
        return replace(
            units,
            values=units.values[mine],
            bases=tuple(basis[mine] for basis in units.bases),
            shared=tuple(basis[mine] for basis in units.shared),
            logs=units.logs[mine],
            codes=(units.codes[mine] == self.second).astype(np.intp),
            tasks=(units.tasks[self.first], units.tasks[self.second]),
        )

    def reason(self) -> str | None:
        """Return why the two cannot be compared; None where they can."""
        if self.units.counts[[self.first, self.second]].min() < 2:
            return "a task has fewer than 2 prompts"
        codes, values = self.units.codes, np.mean([fit.adjusted for fit in self.fits], axis=0)
        if all(constant(values[codes == task]) for task in (self.first, self.second)):
            return "neither task varies"
        if not any(basis.shape[1] for basis in self.units.bases):
            return None
        return overlap_of(self.only()).reason

    def unknown(self, reason: str) -> TaskPair:
        nothing = EffectSize(None, None, None, "", reason)
        interval = Interval(None, None, None, reason)
        return TaskPair(self.first, self.second, None, interval, nothing, nothing, None, "", reason)

    def compared(self, *, rng: np.random.Generator, permutations: int, level: float) -> TaskPair:
        from scipy.special import stdtrit

        codes = self.units.codes
        values = np.mean([fit.adjusted for fit in self.fits], axis=0)
        one, two = values[codes == self.first], values[codes == self.second]
        difference = float(one.mean() - two.mean())
        shares = [fit.means[self.first] - fit.means[self.second] for fit in self.fits]
        # The error of each unit's share; a unit that is fitted exactly has none.
        moved = [
            share * fit.left / np.sqrt(np.maximum(1.0 - (fit.basis**2).sum(axis=1), _EXACT))
            for share, fit in zip(shares, self.fits, strict=True)
        ]
        squares = np.bincount(codes, weights=np.mean(moved, axis=0) ** 2)
        counts = np.maximum(self.units.counts - 1, 1)
        error = float(np.sqrt(squares.sum()))
        free = float(squares.sum() ** 2 / (squares**2 / counts).sum())
        half = float(stdtrit(free, (1 + level) / 2)) * error
        interval = Interval(difference - half, difference + half, _METHOD)
        spread = np.hypot(np.linalg.norm(one - one.mean()), np.linalg.norm(two - two.mean()))
        degrees = len(one) + len(two) - 2
        g = standardised(
            difference / (spread / np.sqrt(degrees)),
            1.0 / float((np.mean(shares, axis=0) ** 2).sum()), degrees,
            method="Hedges g, noncentral t", level=level,
        )  # fmt: skip
        delta = cliffs_delta(one, two, level=level)
        p, method = self.tested(shares, rng=rng, permutations=permutations)
        return TaskPair(self.first, self.second, difference, interval, g, delta, p, method, None)

    def tested(
        self, shares: list[Floats], *, rng: np.random.Generator, permutations: int
    ) -> tuple[float, str]:
        """Return p of a difference of 0, and how it was found."""
        mine, models = self.mine, len(self.fits)
        bins = bins_of(self.units.logs[mine], 2)
        orders = shuffles(bins, permutations + 1, rng=rng)
        # The first row is what is found; the others are permutations of it.
        orders[0] = np.arange(orders.shape[1])
        basis = np.hstack([fit.basis for fit in self.fits])
        differences = np.zeros(len(orders))
        # Of the models' mean: its square, its products with the bases, and what is fitted.
        whole = np.zeros(len(mine))
        across = np.zeros((len(orders), basis.shape[1]))
        fitted = np.empty_like(across)
        ends = np.cumsum([fit.basis.shape[1] for fit in self.fits])
        for model, (share, fit) in enumerate(zip(shares, self.fits, strict=True)):
            values = self.units.values[:, model]
            # What is left if the two tasks are equal.
            rest = fit.left + share * float(share @ values) / float(share @ share)
            columns = np.column_stack([basis, share]) / models
            rows = np.where(mine, 0.0, rest) @ columns + rest[mine][orders] @ columns[mine]
            own = slice(ends[model] - fit.basis.shape[1], ends[model])
            fitted[:, own] = rows[:, own]
            across += rows[:, :-1]
            differences += rows[:, -1]
            whole += rest / models
        left = whole @ whole - ((2.0 * across - fitted @ (basis.T @ basis)) * fitted).sum(axis=1)
        # Of few prompts, a permutation may be fitted exactly.
        statistics = np.abs(differences) / np.sqrt(np.maximum(left, _EXACT * (whole @ whole)))
        method = f"Freedman-Lane permutation within {len(np.unique(bins))} length bins"
        return p_value(float(statistics[0]), statistics[1:]), f"{method} ({permutations})"
