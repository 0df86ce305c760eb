"""Whether tasks differ in a metric: raw, and with what length does taken out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._overlap import Overlap, overlap_of
from cortexscope.stats._permutation import Shuffler, bins_of, p_value, permuted_sums, shuffles
from cortexscope.stats._units import Units, units_of

__all__ = ["Effect", "TaskEffect", "task_effect"]

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


@dataclass(frozen=True, slots=True)
class TaskEffect:
    """The effect of the task on the mean of the models, raw and adjusted for length."""

    raw: Effect
    """Holds what the tasks' lengths do as well."""
    adjusted: Effect
    """Of tasks at equal lengths."""
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    """Those with a value; their mean is what is tested."""
    clusters: tuple[str, ...]
    """The prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts left out because one of the models has no value for them."""
    overlap: float | None
    """Share of the prompts that another task has one of about equal length for."""

    @property
    def n(self) -> int:
        """How many prompts."""
        return len(self.clusters)

    @property
    def p(self) -> float | None:
        """The p-value to report: the adjusted one, or None where tasks cannot be compared."""
        return self.adjusted.p


def task_effect(
    frame: pd.DataFrame | Units,
    *,
    rng: np.random.Generator,
    permutations: int = 2000,
    shuffled: Shuffler | None = None,
) -> TaskEffect:
    """Return whether the tasks differ in the mean of the models' values, raw and adjusted.

    The prompt is the unit: the values of its paraphrases and of the models are averaged, and whole
    prompts are permuted. Raw: F of a one-way analysis of variance, prompts permuted over tasks.
    Adjusted: F of the analysis of covariance with a natural cubic spline in log tokens, one curve a
    model, fitted together with the tasks. Its p is Freedman and Lane's, within bins of about equal
    length: what the curves alone leave is permuted, curves and tasks are fitted again. In
    simulations where only length differs between tasks this rejects 4 to 6 %, also where longer
    prompts scatter more (`benchmarks/false_positives.py`). A test of values that were adjusted
    first would take the curve for known, and reject too often.

    With one model, F and omega squared are those of ordinary least squares. Of several, each
    model's values are standard scores (`Units.alike`), so that all weigh the same; give one model's
    frame to have its own effect.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`; or its units.
        rng: draws the permutations, unless `shuffled` gives them.
        permutations: how many.
        shuffled: gives the permutations, such as the same ones for many metrics (`Remembered`).

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("uvwxyz")
        >>> frame = pd.DataFrame({"model": "m", "task": list("aaabbb"), "prompt_id": ids})
        >>> frame = frame.assign(cluster=ids, n_tokens=9, value=[1, 2, 3, 4, 5, 6])
        >>> effect = task_effect(frame, rng=np.random.default_rng(0)).raw
        >>> round(effect.statistic, 6), effect.df, effect.df_residual
        (13.5, 1, 4)
    """
    units = units_of(frame)
    units, overlap = units.alike(), overlap_of(units)
    everything = np.zeros(len(units), dtype=np.intp)
    method = f"permutation of prompts over tasks ({permutations})"
    draw = _Draw(shuffled or partial(shuffles, rng=rng), permutations)
    raw = _effect(units.without_length(), everything, units.noted(method), draw)
    adjusted = replace(raw, method=f"{raw.method}; all prompts have one length")
    if any(basis.shape[1] for basis in units.bases):
        bins = bins_of(units.logs, len(units.tasks))
        method = (
            f"Freedman-Lane permutation within {len(np.unique(bins))} length bins ({permutations})"
        )
        adjusted = _effect(units, bins, units.noted(method), draw, overlap=overlap)
    return TaskEffect(
        raw=raw, adjusted=adjusted, tasks=units.tasks, models=units.models,
        clusters=units.clusters, left_out=units.left_out, overlap=overlap.share,
    )  # fmt: skip


class _Draw(NamedTuple):
    shuffled: Shuffler
    times: int


def _effect(
    units: Units,
    strata: NDArray[np.intp],
    method: str,
    draw: _Draw,
    *,
    overlap: Overlap | None = None,
) -> Effect:
    reason, bases = _undefined(units), []
    curved = any(basis.shape[1] for basis in units.bases)
    if reason is None:
        models = range(len(units.models))
        # Without a curve all models are fitted alike.
        bases = (
            [_Bases.of(units, model) for model in models]
            if curved
            else [_Bases.of(units, 0)] * len(models)
        )
        if any(basis.tasks.shape[1] < len(units.tasks) - 1 for basis in bases):
            reason = "length alone tells the tasks apart, so what the task does cannot be told"
    left = [basis.left_by_length(units.values[:, m]) for m, basis in enumerate(bases)]
    reason = reason or _explained(units, left, bases)
    if reason is not None:
        return Effect.undefined(method, reason)
    df = len(units.tasks) - 1
    df_residual = len(units) - len(units.tasks) - max(b.length.shape[1] for b in bases) + 1
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
    if overlap is not None and overlap.reason is not None:
        return Effect(found, df, df_residual, *shares, None, method, overlap.reason)
    orders = draw.shuffled(strata, draw.times)
    above, below = squares(orders)
    permuted = (above / df) / (below / df_residual)
    p = p_value(found, permuted)
    return Effect(found, df, df_residual, *shares, p, method, permuted=permuted)


def _undefined(units: Units) -> str | None:
    if not units.models or not len(units):
        return "no prompt has a value in every model"
    if len(units.tasks) < 2:
        return "there is only one task"
    columns = max(basis.shape[1] for basis in units.bases)
    if len(units) - len(units.tasks) - columns < 1:
        return f"{len(units)} prompts are too few for {len(units.tasks)} tasks"
    return None


def _explained(units: Units, left: list[NDArray[np.float64]], bases: list[_Bases]) -> str | None:
    """Return what explains the mean of the models without rest; None where nothing does."""
    values = units.values.mean(axis=1)
    rest = [
        rows - basis.tasks @ (basis.tasks.T @ rows) for rows, basis in zip(left, bases, strict=True)
    ]
    for remaining, reason in (
        (values - values.mean(), "the value is the same throughout"),
        (np.mean(left, axis=0), "length alone explains every value"),
        (np.mean(rest, axis=0), "no value varies within tasks"),
    ):
        if np.linalg.norm(remaining) <= _CONSTANT * np.linalg.norm(values):
            return reason
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Bases:
    length: NDArray[np.float64]
    """Orthonormal columns that span the constant and the curve."""
    tasks: NDArray[np.float64]
    """Orthonormal columns for what tasks add to that."""

    @classmethod
    def of(cls, units: Units, model: int) -> _Bases:
        ones = np.ones((len(units), 1))
        length = _orthonormal(np.hstack([ones, units.bases[model]]))
        member = np.eye(len(units.tasks))[units.codes]
        return cls(length, _orthonormal(member - length @ (length.T @ member)))

    def left_by_length(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values - self.length @ (self.length.T @ values))


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * np.sqrt(len(columns))])


def _squares_of(
    left: list[NDArray[np.float64]], bases: list[_Bases]
) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """Return what gives the sums of squares that tasks explain and that are left.

    Args:
        left: what length leaves of each model's values, [unit].
        bases: of each model.

    Returns:
        A function of orders of the units, [permutation, unit], to sums, [2, permutation].
    """
    models = len(left)
    of_mean = left[0] if models == 1 else np.asarray(sum(left)) / models
    total = float((of_mean**2).sum())
    columns = [np.hstack([basis.length, basis.tasks]) for basis in bases]
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
