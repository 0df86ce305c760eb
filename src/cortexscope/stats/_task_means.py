"""The mean of each task with its interval, and whether a task has the highest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._bootstrap import corrected
from cortexscope.stats._estimates import drawn, estimates
from cortexscope.stats._overlap import overlap_of
from cortexscope.stats._units import Units, units_of

__all__ = ["Comparison", "highest_task", "task_means"]

_FEWEST = 5
_CHUNK = 250
_METHOD = "cluster bootstrap-t within tasks"
_TOO_FEW = f"fewer than {_FEWEST} prompts"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a task's mean lies above the best other task's."""

    task: str
    other: str | None
    """The task with the highest mean of the others."""
    difference: float | None
    """The task's mean less that of `other`; None where it is undefined."""
    low: float | None
    """Lower end of the interval; None where it is undefined."""
    high: float | None
    """Upper end of the interval; None where it is undefined."""
    holds: bool | None
    """True where the whole interval lies above 0: the task is the highest. False where it lies
    below: another one is higher. None where this is open or undefined."""
    n: int
    """Prompts of the task; paraphrases of one count as one."""
    method: str
    """How the interval was found."""
    reason: str | None = None
    """Why `holds` is None."""


def task_means(
    frame: pd.DataFrame,
    *,
    adjusted: bool,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the mean of each task over its prompts, of the mean over models, with intervals.

    The prompt is the unit; the values of its paraphrases and of the models are averaged. The
    interval is a bootstrap-t: clusters are drawn with replacement within each task, the curves in
    log tokens are fitted anew each time, and the mean's distance from the one found is divided by
    its own standard error, which follows from each prompt's influence (a sandwich, so that tasks
    may scatter differently). The quantiles are corrected for few prompts as those of `interval`.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`.
        adjusted: whether means are those at each model's mean log length, as `adjusted_values`
            has them, or of the values as they are.
        rng: draws the resamples.
        resamples: how many.
        level: of the intervals.

    Returns:
        A row a task, in the order of names: task, mean, low, high, n (prompts), method, reason;
        NaN where undefined.

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("uvwxyz")
        >>> frame = pd.DataFrame({"model": "m", "task": list("aaabbb"), "prompt_id": ids})
        >>> frame = frame.assign(cluster=ids, n_tokens=9, value=[1, 2, 3, 4, 5, 6])
        >>> rng = np.random.default_rng(0)
        >>> task_means(frame, adjusted=False, rng=rng)[["mean", "n"]].to_numpy().tolist()
        [[2.0, 3.0], [5.0, 3.0]]
    """
    units, reason = _prepared(frame, adjusted=adjusted)
    counts = units.counts
    unknown = np.full(len(units.tasks), np.nan)
    mean, low, high, errors = unknown, unknown.copy(), unknown.copy(), unknown
    enough = counts >= _FEWEST
    if reason is None and len(units):
        contrasts = np.eye(len(units.tasks))
        mean, errors = _found(units, contrasts)
        enough &= errors > _rounding(units)
        if enough.any():
            pivots = _pivots(units, contrasts[enough], mean[enough], resamples, rng=rng)
            ends = np.quantile(pivots, [0.5 - level / 2, 0.5 + level / 2], axis=0)
            left = _left(units)
            for task, (lower, upper) in zip(np.flatnonzero(enough), ends.T, strict=True):
                lower, upper = corrected(lower, upper, left[units.codes == task])
                low[task] = mean[task] - upper * errors[task]
                high[task] = mean[task] - lower * errors[task]
    few = np.where(counts < _FEWEST, _TOO_FEW, "the values are the same throughout")
    why = [reason or (None if fine else str(text)) for fine, text in zip(enough, few, strict=True)]
    return pd.DataFrame(
        {
            "task": list(units.tasks), "mean": mean, "low": low, "high": high, "n": counts,
            "method": f"{_METHOD}, small-sample corrected", "reason": pd.Series(why, dtype=object),
        }
    )  # fmt: skip


def highest_task(
    frame: pd.DataFrame,
    task: str,
    *,
    adjusted: bool,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Comparison:
    """Return how far the task's mean lies above the largest of the other tasks' means.

    The true difference is the smallest of those to each other task. The lower end is the smallest
    of the lower ends of these differences, each of its own (the task is the highest only if it is
    above every other one, so no correction is needed). The upper end is the smallest of their upper
    ends, which hold at once (max-T), since the best other task is not known. Both come from the
    resamples of `task_means`; the interval holds the true difference at least as often as `level`.

    Args:
        frame: a values frame of one metric.
        task: the task in question.
        adjusted: whether means are those at each model's mean log length.
        rng: draws the resamples.
        resamples: how many.
        level: of the interval.

    Raises:
        UsageError: if the frame has no such task, or its columns are missing or contradict.
    """
    units, reason = _prepared(frame, adjusted=adjusted)
    tasks = [str(name) for name in np.unique(frame["task"].to_numpy(dtype=str))]
    if task not in tasks:
        raise UsageError(f"There is no task {task!r} in the values; there are {', '.join(tasks)}.")
    n = int(units.counts[units.tasks.index(task)]) if task in units.tasks else 0

    def unknown(why: str) -> Comparison:
        return Comparison(task, None, None, None, None, None, n, _METHOD, why)

    if n == 0 or len(units.tasks) < 2:
        return unknown("the task has no value" if n == 0 else "there is no other task")
    if reason is not None:
        return unknown(reason)
    place = units.tasks.index(task)
    contrasts = np.delete(np.eye(len(units.tasks))[place] - np.eye(len(units.tasks)), place, axis=0)
    differences, errors = _found(units, contrasts)
    best = int(np.argmin(differences))
    other, difference = np.delete(units.tasks, place)[best], float(differences[best])
    few = [name for name, count in zip(units.tasks, units.counts, strict=True) if count < _FEWEST]
    if few or not (errors > _rounding(units)).all():
        why = f"{_TOO_FEW} in {', '.join(few)}" if few else "values are the same throughout"
        return Comparison(task, str(other), difference, None, None, None, n, _METHOD, why)
    pivots = _pivots(units, contrasts, differences, resamples, rng=rng)
    each = np.quantile(pivots, 0.5 + level / 2, axis=0)
    at_once = np.quantile(pivots.min(axis=1), 0.5 - level / 2)
    low = float(np.min(differences - each * errors))
    high = float(np.min(differences - at_once * errors))
    holds = True if low > 0 else False if high < 0 else None
    method = f"comparison with the best other task, {_METHOD}"
    undecided = "the interval holds 0" if holds is None else None
    return Comparison(task, str(other), difference, low, high, holds, n, method, undecided)


def _prepared(frame: pd.DataFrame, *, adjusted: bool) -> tuple[Units, str | None]:
    units = units_of(frame)
    if not adjusted:
        return units.without_length(), None
    if not any(basis.shape[1] for basis in units.bases):
        return units, None
    reasons = [units.slopes(model)[1] for model in range(len(units.models))]
    why = overlap_of(units).reason or next((reason for reason in reasons if reason), None)
    return (units if why else _orthonormal(units)), why


def _orthonormal(units: Units) -> Units:
    """Return the units with curves of which columns are orthonormal within tasks."""
    turns = [np.linalg.inv(np.linalg.qr(units.centred(basis))[1]) for basis in units.bases]
    return replace(
        units,
        bases=tuple(basis @ turn for basis, turn in zip(units.bases, turns, strict=True)),
        typical=tuple(row @ turn for row, turn in zip(units.typical, turns, strict=True)),
    )


def _found(units: Units, contrasts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return contrasts of task means and their standard errors, [2, contrast]."""
    found = estimates(units, np.ones((1, len(units))), contrasts)[:, 0]
    degrees = len(units) - len(units.tasks)
    columns = max(basis.shape[1] for basis in units.bases)
    # What the curves leave is smaller than what scatters, by the columns that they use up.
    found[1] *= np.sqrt(degrees / (degrees - columns)) if columns else 1.0
    return np.asarray(found)


def _left(units: Units) -> NDArray[np.float64]:
    """Return what tasks and curves leave of the mean over models, [unit]."""
    left = units.centred(units.values)
    for model, basis in enumerate(units.bases):
        within = units.centred(basis)
        left[:, model] -= within @ (within.T @ left[:, model])
    return np.asarray(left.mean(axis=1))


def _rounding(units: Units) -> float:
    return 1e-12 * float(np.abs(units.values).max(initial=0.0))


def _pivots(
    units: Units,
    contrasts: NDArray[np.float64],
    found: NDArray[np.float64],
    resamples: int,
    *,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return (resampled - found) / standard error of the resample, [resample, contrast]."""
    parts = []
    for start in range(0, resamples, _CHUNK):
        weights = drawn(units, min(_CHUNK, resamples - start), rng=rng)
        again, errors = estimates(units, weights, contrasts)
        # A resample of one cluster over and over has no error of its own and tells nothing.
        usable = (errors > _rounding(units)).all(axis=1)
        parts.append((again[usable] - found) / errors[usable])
    return np.concatenate(parts)
