"""Two tasks at equal lengths: how far apart, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._clusters import constant
from cortexscope.stats._effect_sizes import cliffs_delta, standardised
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._fit import Fit, contrasts
from cortexscope.stats._limits import UNBOUNDED, Bounds, of_differences
from cortexscope.stats._overlap import overlap_of
from cortexscope.stats._units import Units

__all__ = ["TaskPair", "adjusted_pairs", "comparable"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TaskPair:
    """What sets two tasks apart beside their lengths."""

    first: int
    """The first task's place in the tasks of the units."""
    second: int
    difference: Estimate
    """The first task's adjusted mean less the second's."""
    hedges_g: Estimate
    cliffs_delta: Estimate


def comparable(units: Units) -> tuple[list[Fit], list[str | None]]:
    """Return the fit of each model, and why each pair of tasks cannot be compared, None if it can.

    Without fits, no pair can.

    Args:
        units: of all tasks; without length (`Units.without_length`) to compare tasks as they are.
    """
    common = next(
        (why for model in range(len(units.models)) if (why := units.slopes(model)[1])), None
    )
    fits = [] if common else [Fit.of(units, model) for model in range(len(units.models))]
    pairs = combinations(range(len(units.tasks)), 2)
    return fits, [common or _Pair(units, *pair, fits).reason() for pair in pairs]


def adjusted_pairs(
    units: Units,
    fits: list[Fit],
    reasons: list[str | None],
    *,
    level: float,
    bounds: Bounds = UNBOUNDED,
) -> Iterator[TaskPair]:
    """Yield every pair of tasks, compared at equal lengths.

    In each model, value = task + curve(log tokens) over all tasks; the difference of two tasks is
    averaged over the models. Its error counts that of the curve; with no curve the interval is
    Welch's.

    Args:
        units: of all tasks.
        fits: as `comparable` gives them.
        reasons: likewise.
        level: of the intervals.
        bounds: lowest and highest value that the metric can have.
    """
    pairs = combinations(range(len(units.tasks)), 2)
    for (first, second), reason in zip(pairs, reasons, strict=True):
        pair = _Pair(units, first, second, fits)
        yield (
            pair.unknown(reason)
            if reason is not None
            else pair.compared(level=level, bounds=bounds)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    units: Units
    first: int
    second: int
    fits: list[Fit]

    @property
    def n(self) -> int:
        return int(self.units.counts[[self.first, self.second]].min())

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
        if self.n < 2:
            return "a task has fewer than 2 prompts"
        codes, values = self.units.codes, np.mean([fit.adjusted for fit in self.fits], axis=0)
        if all(constant(values[codes == task]) for task in (self.first, self.second)):
            return "neither task varies"
        if not any(basis.shape[1] for basis in self.units.bases):
            return None
        return overlap_of(self.only()).reason

    def unknown(self, reason: str) -> TaskPair:
        nothing = Estimate(None, None, None, self.n, reason=reason)
        return TaskPair(self.first, self.second, nothing, nothing, nothing)

    def compared(self, *, level: float, bounds: Bounds) -> TaskPair:
        codes = self.units.codes
        values = np.mean([fit.adjusted for fit in self.fits], axis=0)
        one, two = values[codes == self.first], values[codes == self.second]
        weights = np.eye(len(self.units.tasks))
        (found,) = contrasts(self.units, self.fits, weights[[self.first]] - weights[[self.second]])
        shares = [fit.means[self.first] - fit.means[self.second] for fit in self.fits]
        spread = np.hypot(np.linalg.norm(one - one.mean()), np.linalg.norm(two - two.mean()))
        degrees = len(one) + len(two) - 2
        g = standardised(
            found.estimate / (spread / np.sqrt(degrees)),
            1.0 / float((np.mean(shares, axis=0) ** 2).sum()), degrees, self.n,
            method="Hedges g, noncentral t", level=level,
        )  # fmt: skip
        delta = cliffs_delta(one, two, level=level)
        difference = found.interval(level).within(of_differences(bounds))
        return TaskPair(self.first, self.second, difference, g, delta)
