"""How strongly a factor tells values apart, beside length: F, shares of variance, permutations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._permutation import Shuffler, p_value, permuted_sums
from cortexscope.stats._units import Units

__all__ = ["Draw", "Effect", "Factor", "factor_effect", "orthonormal"]

_CONSTANT = 1e-12


@dataclass(frozen=True, slots=True)
class Effect:
    """How strongly a factor tells values apart, or why this is unknown."""

    statistic: float | None
    """F: what the factor explains per degree of freedom over what is left per degree of freedom;
    around 1 where the factor does nothing."""
    df: int | None
    """Degrees of freedom of the factor."""
    df_residual: int | None
    """Degrees of freedom of what is left."""
    omega_squared: float | None
    """The share of all variance that the factor explains beside what length does: the factor's sum
    of squares less df times the mean square of what is left, over the total sum of squares and one
    such mean square (Hays 1963; semi-partial where length is taken out). 0 is expected where it
    explains nothing, so it can fall below 0."""
    omega_squared_partial: float | None
    """The share of what other factors leave of the variance, df (F - 1) / (df (F - 1) + n) of n
    values (Olejnik and Algina 2003, Psychological Methods 8, 434-447): large also where the factor
    explains next to nothing of all variance, if length explains nearly everything."""
    p: float | None
    """Never 0."""
    method: str
    """How p was found."""
    reason: str | None = None
    """Why the numbers, or p alone, are undefined."""
    permuted: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    """The statistic in each permutation, [permutation]; None where p is."""

    @classmethod
    def undefined(cls, method: str, reason: str | None) -> Effect:
        """Return an effect of which nothing is known."""
        return cls(None, None, None, None, None, None, method, reason)


class Draw(NamedTuple):
    """Permutations to be drawn."""

    shuffled: Shuffler
    times: int


class Factor(NamedTuple):
    """What values are told apart by."""

    columns: NDArray[np.float64]
    """[unit, column]; what they span beside the constant is the factor."""
    confounded: str
    """Why nothing is told where length spans them too."""
    nothing: str
    """What is so where the factor leaves nothing of the values."""


def factor_effect(
    units: Units,
    factor: Factor,
    strata: NDArray[np.intp],
    method: str,
    draw: Draw,
    *,
    reason: str | None = None,
    untested: str | None = None,
) -> Effect:
    """Return the effect of a factor on the mean of the models, beside the units' curves and blocks.

    What these leave of the values is permuted, and all is fitted again (Freedman and Lane).

    Args:
        units: with the curve that is taken out, or with one of no columns.
        factor: what is tested.
        strata: the stratum of each unit, inside which units are exchanged, [unit].
        method: how, in a few words.
        draw: the permutations.
        reason: why nothing can be told, if so.
        untested: why there is no p, though there is an effect.
    """
    bases: list[_Bases] = []
    curved = any(basis.shape[1] for basis in units.bases)
    df = _rank(factor.columns, units.levels)
    if reason is None:
        models = range(len(units.models))
        # Without a curve all models are fitted alike.
        bases = (
            [_Bases.of(units, model, factor.columns) for model in models]
            if curved
            else [_Bases.of(units, 0, factor.columns)] * len(models)
        )
        if any(basis.factor.shape[1] < df for basis in bases):
            reason = factor.confounded
    left = [basis.left_by_length(units.values[:, m]) for m, basis in enumerate(bases)]
    reason = reason or _explained(units, left, bases, factor.nothing)
    if reason is not None:
        return Effect.undefined(method, reason)
    df_residual = len(units) - df - max(b.length.shape[1] for b in bases)
    if not curved:
        # So that their mean is fitted as they are.
        left, bases = [np.mean(left, axis=0)], bases[:1]
    squares = _squares_of(left, bases)
    explained, unexplained = squares(np.arange(len(units))[None])[:, 0]
    error = float(unexplained) / df_residual
    found = float(explained) / df / error
    values = units.values.mean(axis=1)
    total = float(((values - values.mean()) ** 2).sum())
    shares = (
        df * (found - 1.0) * error / (total + error),
        df * (found - 1.0) / (df * (found - 1.0) + len(units)),
    )
    if untested is not None:
        return Effect(found, df, df_residual, *shares, None, method, untested)
    orders = draw.shuffled(strata, draw.times)
    above, below = squares(orders)
    permuted = (above / df) / (below / df_residual)
    p = p_value(found, permuted)
    return Effect(found, df, df_residual, *shares, p, method, permuted=permuted)


def _rank(columns: NDArray[np.float64], beside: NDArray[np.float64]) -> int:
    both = np.hstack([beside, columns])
    ranks = [
        int(np.linalg.matrix_rank(own, rtol=1e-9)) if own.size else 0 for own in (both, beside)
    ]
    return ranks[0] - ranks[1]


def _explained(
    units: Units, left: list[NDArray[np.float64]], bases: list[_Bases], nothing: str
) -> str | None:
    """Return what explains the mean of the models without rest; None where nothing does."""
    values = units.values.mean(axis=1)
    rest = [
        rows - basis.factor @ (basis.factor.T @ rows)
        for rows, basis in zip(left, bases, strict=True)
    ]
    for remaining, reason in (
        (values - values.mean(), "the value is the same throughout"),
        (np.mean(left, axis=0), "length alone explains every value"),
        (np.mean(rest, axis=0), nothing),
    ):
        if np.linalg.norm(remaining) <= _CONSTANT * np.linalg.norm(values):
            return reason
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Bases:
    length: NDArray[np.float64]
    """Orthonormal columns that span the constant, or each block's, and the curve."""
    factor: NDArray[np.float64]
    """Orthonormal columns for what the factor adds to that."""

    @classmethod
    def of(cls, units: Units, model: int, factor: NDArray[np.float64]) -> _Bases:
        length = orthonormal(np.hstack([units.levels, units.bases[model]]))
        return cls(length, orthonormal(factor - length @ (length.T @ factor)))

    def left_by_length(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values - self.length @ (self.length.T @ values))


def orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return orthonormal columns that span the same."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * np.sqrt(len(columns))])


def _squares_of(
    left: list[NDArray[np.float64]], bases: list[_Bases]
) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """Return what gives the sums of squares that a factor explains and that are left.

    Args:
        left: what length leaves of each model's values, [unit].
        bases: of each model.

    Returns:
        A function of orders of the units, [permutation, unit], to sums, [2, permutation].
    """
    models = len(left)
    of_mean = left[0] if models == 1 else np.asarray(sum(left)) / models
    total = float((of_mean**2).sum())
    columns = [np.hstack([basis.length, basis.factor]) for basis in bases]
    every = np.hstack(columns)
    crossed = every.T @ every
    # Which columns are of length.
    length = np.concatenate(
        [
            np.arange(part.shape[1]) < b.length.shape[1]
            for part, b in zip(columns, bases, strict=True)
        ]
    )

    def squares(orders: NDArray[Any]) -> NDArray[np.float64]:
        means = permuted_sums(of_mean, orders, every)
        # One model is its own mean.
        own = means if models == 1 else np.hstack(
            [permuted_sums(own, orders, part) for own, part in zip(left, columns, strict=True)]
        )  # fmt: skip

        def remaining(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
            """Return the sum of squares that each model's fit to these columns leaves."""
            fit = own[:, kept] @ crossed[np.ix_(kept, kept)] / models - 2.0 * means[:, kept]
            return np.asarray(total + (fit * own[:, kept]).sum(axis=1) / models)

        without, unexplained = remaining(length), remaining(np.ones_like(length))
        unexplained = np.maximum(unexplained, np.finfo(np.float64).eps * total)
        return np.stack([without - unexplained, unexplained])

    return squares
