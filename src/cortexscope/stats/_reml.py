"""Restricted maximum likelihood of a linear model with a random intercept a cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fitted", "fitted", "reduced"]

Floats = NDArray[np.float64]

_NOTHING = 1e-9
_TOGETHER = 1 << 12
"""Rows that are reduced together: those that a processor's cache holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fit of values, a random intercept for each cluster."""

    ratio: float | None
    """Variance of clusters over the residual one; None without a random effect."""
    scale: float
    """The residual variance."""
    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    residuals: Floats
    values: Floats
    """With what is predicted for clusters."""
    converged: bool | None
    reason: str | None


def fitted(values: Floats, columns: Floats, clusters: NDArray[np.intp]) -> Fitted | None:
    """Return the restricted maximum likelihood fit of values of about 1.

    For a given ratio of the two variances, everything else is a regression on cross products that
    only sums within and between clusters enter, so the likelihood is a curve in the ratio. Without
    a cluster of several values, or without clusters beyond the columns, that curve is flat: least
    squares then, with `ratio` None and the reason.

    Args:
        values: [row].
        columns: of all fixed effects, of full rank, [row, column].
        clusters: each row's, from 0, [row].

    Returns:
        The fit, or None where columns and clusters explain every value.
    """
    both = np.column_stack([columns, values])
    sizes = np.bincount(clusters).astype(np.float64)
    means = np.zeros((len(sizes), both.shape[1]))
    np.add.at(means, clusters, both)
    means /= sizes[:, None]
    within = both - means[clusters]
    few, few_within = reduced(both), reduced(within)
    inner = int(np.linalg.matrix_rank(few_within[:, :-1], tol=1e-9 * np.sqrt(len(values))))
    profile = _Profile(within, means, sizes)
    reason, ratio, converged = None, 0.0, None
    if len(values) - len(sizes) - inner < 1:
        reason = "prompts have one value each: what they scatter is not told from the rest"
    elif len(sizes) + inner - columns.shape[1] < 1:
        reason = "tasks have one prompt each: what prompts do is not told from what tasks do"
    elif _left(few_within) <= _NOTHING:
        return None
    else:
        ratio, converged = profile.best()
    if _left(few) <= _NOTHING:
        return None
    log_likelihood, scale, coefficients, inverse = profile.at(ratio)
    left = values - columns @ coefficients
    own = means[:, -1] - means[:, :-1] @ coefficients
    left = left - (own * (sizes * ratio / (1.0 + sizes * ratio)))[clusters]
    return Fitted(
        None if reason else ratio, scale, coefficients, scale * inverse, log_likelihood, left,
        values - left, converged, reason,
    )  # fmt: skip


def reduced(columns: Floats) -> Floats:
    """Return no more rows than columns, with the same products of columns, [row, column].

    Ranks and what a fit leaves are the same, of a few rows in place of hundreds of thousands.
    """
    parts = [
        np.linalg.qr(columns[start : start + _TOGETHER], mode="r")
        for start in range(0, len(columns), _TOGETHER)
    ]
    return np.asarray(np.linalg.qr(np.vstack(parts), mode="r"))


def _left(both: Floats) -> float:
    """Return the size of what the other columns leave of the last."""
    columns, values = both[:, :-1], both[:, -1]
    fit = columns @ np.linalg.lstsq(columns, values, rcond=1e-9)[0]
    return float(np.linalg.norm(values - fit))


class _Profile:
    """The restricted likelihood as a function of the ratio of the two variances."""

    def __init__(self, within: Floats, means: Floats, sizes: Floats) -> None:
        self.rows = len(within) - within.shape[1] + 1
        self.within = within.T @ within
        self.sizes, self.counts = np.unique(sizes, return_counts=True)
        alike = [means[sizes == size] * np.sqrt(size) for size in self.sizes]
        self.between = np.array([rows.T @ rows for rows in alike])

    def at(self, ratio: float) -> tuple[float, float, Floats, Floats]:
        """Return log likelihood, residual variance, coefficients, inverse of cross products."""
        shrink = 1.0 + self.sizes * ratio
        products = self.within + (self.between / shrink[:, None, None]).sum(axis=0)
        inverse = np.linalg.inv(products[:-1, :-1])
        coefficients = inverse @ products[:-1, -1]
        scale = float(products[-1, -1] - coefficients @ products[:-1, -1]) / self.rows
        volume = float(self.counts @ np.log(shrink)) - float(np.linalg.slogdet(inverse)[1])
        height = -0.5 * (self.rows * (np.log(2 * np.pi * scale) + 1.0) + volume)
        return float(height), scale, coefficients, inverse

    def best(self) -> tuple[float, bool]:
        """Return the ratio of the largest likelihood, 0 if below 1e-5, and whether it was found."""
        from scipy.optimize import minimize_scalar

        def depth(log: float) -> float:
            return -self.at(float(np.exp(log)))[0]

        logs = np.linspace(np.log(1e-5), np.log(1e8), 31)
        top = int(np.argmin([depth(log) for log in logs]))
        if top in (0, len(logs) - 1):
            return (0.0, True) if top == 0 else (float(np.exp(logs[top])), False)
        bounds = (logs[top - 1], logs[top + 1])
        found = minimize_scalar(depth, bounds=bounds, method="bounded", options={"xatol": 1e-8})
        return float(np.exp(found.x)), bool(found.success)
