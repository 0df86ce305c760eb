"""The analysis of covariance of one model's values: tasks and a curve in log tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._estimate import Estimate
from cortexscope.stats._limits import SKEWED, cautious, skewed_ends, student
from cortexscope.stats._units import Units

__all__ = ["COVARIANCE", "Contrast", "Fit", "contrasts"]

Floats = NDArray[np.float64]

COVARIANCE = "analysis of covariance (HC2)"
"""How contrasts at equal lengths are found."""

_EXACT = 1e-9
_RANK = 1e-15
"""Of the largest singular value, below which one is 0 but for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One model's values as tasks and a curve in log tokens, by least squares."""

    values: Floats
    """What is fitted, [unit]."""
    left: Floats
    """What is left of the values, [unit]."""
    basis: Floats
    """Orthonormal columns that span tasks and curve, [unit, column]."""
    means: Floats
    """What makes the values into each task's mean at the model's mean log length, [task, unit]."""
    adjusted: Floats
    """The values as they would be at the model's mean log length, [unit]."""
    free: Floats
    """The share of its own error that the fit leaves each unit, [unit]; above 0, though a unit that
    is fitted exactly has none."""

    @classmethod
    def of(cls, units: Units, model: int) -> Fit:
        """Return the fit of one of the units' models."""
        design = np.hstack([np.eye(len(units.tasks))[units.codes], units.bases[model]])
        values = units.values[:, model]
        basis, sizes, turned = np.linalg.svd(design, full_matrices=False)
        there = sizes > _RANK * sizes.max(initial=0.0)
        basis, inverse = basis[:, there], turned[there].T / sizes[there]
        means, slopes = np.split(inverse @ basis.T, [len(units.tasks)])
        away = (units.bases[model] - units.typical[model]) @ (slopes @ values)
        return cls(
            values=values,
            left=values - basis @ (basis.T @ values),
            basis=basis,
            means=means + units.typical[model] @ slopes,
            adjusted=values - away,
            free=np.maximum(1.0 - (basis**2).sum(axis=1), _EXACT),
        )


class Contrast(NamedTuple):
    """A contrast of tasks at equal lengths, linear in what each unit moves it."""

    estimate: float
    error: float
    """0 where the values do not vary."""
    degrees: float
    skewness: float
    n: int
    """Units of the smallest task in it."""

    def interval(self, level: float, *, skewed: bool = False) -> Estimate:
        """Return it with Welch's interval or, of a mean that may be skewed, `skewed_ends`."""
        if self.n < 2 or not self.error:
            reason = "fewer than 2 prompts" if self.n < 2 else "the values are the same throughout"
            return Estimate(self.estimate, None, None, self.n, reason=reason)
        half, method = student(self.degrees, level) * self.error, f"Welch's t of the {COVARIANCE}"
        ends = self.estimate - half, self.estimate + half
        if skewed:
            ends = skewed_ends(self.estimate, self.error, self.degrees, self.skewness, level)
            method = f"{SKEWED}, {COVARIANCE}"
        caution = cautious(self.n, self.skewness)
        return Estimate(self.estimate, *ends, self.n, method, caution=caution)


def contrasts(units: Units, fits: list[Fit], weights: Floats) -> Iterator[Contrast]:
    """Yield contrasts of the task means at equal lengths, of the weights [contrast, task]."""
    rounding = 1e-12 * float(np.abs(units.values).max(initial=0.0))
    for weight in weights:
        shares = [weight @ fit.means for fit in fits]
        estimate = np.mean([s @ units.values[:, m] for m, s in enumerate(shares)])
        moved = np.mean(
            [s * fit.left / np.sqrt(fit.free) for s, fit in zip(shares, fits, strict=True)], axis=0
        )
        squares = np.bincount(units.codes, weights=moved**2)
        error = float(np.sqrt(squares.sum()))
        n = int(units.counts[weight != 0].min())
        if error <= rounding:
            yield Contrast(float(estimate), 0.0, 0.0, 0.0, n)
            continue
        shared = (squares**2 / np.maximum(units.counts - 1, 1)).sum()
        degrees = float(squares.sum() ** 2 / shared)
        skewness = float((moved * moved**2).sum()) / error**3
        yield Contrast(float(estimate), error, degrees, skewness, n)
