"""How far a task lies from all others, in a regression with a curve in log tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TaskDesign", "TaskEffects"]

Floats = NDArray[np.float64]

# What is this small beside what it is a part of is rounding.
_ROUNDING = 1e-9


class TaskEffects(NamedTuple):
    """Effects of being in the task, [column]; NaN where a value does not vary within tasks."""

    g: Floats
    """Hedges g: the difference in deviations that task and curve leave, without the bias of few
    prompts."""
    half_width: Floats
    """Half the length of its interval, of the error and of the uncertainty of the deviation."""
    p: Floats
    """Of the difference over its HC2 error, which holds where tasks scatter differently, by
    Student's t with Bell and McCaffrey's degrees of freedom."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskDesign:
    """A regression on a constant, a curve and whether a prompt is of the task."""

    curve: Floats
    """Orthonormal columns for the constant and the curve, [prompt, column]."""
    own: Floats
    """What those leave of the task's indicator, [prompt]."""
    spare: Floats
    """1 - leverage, [prompt]."""

    @classmethod
    def of(cls, own: NDArray[np.bool_], basis: Floats) -> TaskDesign | str:
        """Return the design, or why nothing can be told from it.

        Args:
            own: which prompts are of the task, [prompt].
            basis: the curve, [prompt, column]; of no column where nothing is adjusted.
        """
        if own.all():
            return "there is only one task"
        if min(own.sum(), (~own).sum()) < 2:
            return "there are fewer than 2 prompts of the task, or of all others"
        columns = np.column_stack([np.ones(len(own)), basis])
        left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
        curve = left[:, sizes > _ROUNDING * sizes[0]]
        if len(own) - curve.shape[1] < 3:
            return "there are too few prompts for a curve in log tokens"
        rest = own - curve @ (curve.T @ own.astype(np.float64))
        size = rest @ rest
        spare = 1.0 - (curve**2).sum(axis=1) - rest**2 / max(size, _ROUNDING)
        if min(size, spare.min()) <= _ROUNDING:
            return "length alone tells the task from the others"
        return cls(curve, rest, spare)

    def effects(self, values: Floats, level: float) -> TaskEffects:
        """Return the effects on values, [prompt, column], with intervals of that level."""
        from scipy.special import gammaln, stdtr, stdtrit

        size = self.own @ self.own
        degrees = len(self.own) - self.curve.shape[1] - 1
        centred = values - values.mean(axis=0)
        difference = self.own @ centred / size
        left = centred - self.curve @ (self.curve.T @ centred) - np.outer(self.own, difference)
        variance = (left**2).sum(axis=0) / degrees
        variance[variance <= _ROUNDING**2 * (centred**2).sum(axis=0)] = np.nan
        weights = self.own**2 / self.spare / size**2
        error = np.sqrt(weights @ left**2)
        d = difference / np.sqrt(variance)
        factor = np.exp(gammaln(degrees / 2) - gammaln((degrees - 1) / 2)) / np.sqrt(degrees / 2)
        free = self._degrees(weights)
        spread = np.sqrt(error**2 / variance + d**2 / (2 * degrees))
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2.0 * stdtr(free, -np.abs(difference / error))
        return TaskEffects(
            g=factor * d,
            half_width=factor * spread * stdtrit(free, (1 + level) / 2),
            p=np.maximum(p, np.finfo(np.float64).tiny),
        )

    def _degrees(self, weights: Floats) -> float:
        """Return Bell and McCaffrey's degrees of freedom of a sum of weighted squared residuals."""
        # The squares of what is left of each prompt's error in another's residual are those of the
        # identity less the projection: summed over the projection's columns, not over all pairs.
        columns = np.column_stack([self.curve, self.own / np.linalg.norm(self.own)])
        inner = columns.T @ (weights[:, None] * columns)
        squares = (inner**2).sum() + weights**2 @ (2.0 * self.spare - 1.0)
        return float((weights @ self.spare) ** 2 / squares)
