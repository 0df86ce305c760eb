"""The analysis of covariance of one model's values: tasks and a curve in log tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._units import Units

__all__ = ["Fit"]

Floats = NDArray[np.float64]

_EXACT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One model's values as tasks and a curve in log tokens, by least squares."""

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
        basis, values = np.linalg.qr(design)[0], units.values[:, model]
        means, slopes = np.split(np.linalg.pinv(design), [len(units.tasks)])
        away = (units.bases[model] - units.typical[model]) @ (slopes @ values)
        return cls(
            left=values - basis @ (basis.T @ values),
            basis=basis,
            means=means + units.typical[model] @ slopes,
            adjusted=values - away,
            free=np.maximum(1.0 - (basis**2).sum(axis=1), _EXACT),
        )
