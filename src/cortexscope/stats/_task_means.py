"""The mean of each task with its interval, and whether a task has the highest."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._fit import COVARIANCE, Fit, contrasts
from cortexscope.stats._interval import difference_interval, mean_of
from cortexscope.stats._limits import UNBOUNDED, Bounds
from cortexscope.stats._overlap import overlap_of
from cortexscope.stats._units import Units, units_of

__all__ = ["Comparison", "highest_task", "leading_task", "task_means"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a task's mean lies above the best other task's."""

    task: str
    other: str | None
    """The task with the highest mean of the others."""
    difference: Estimate
    """The task's mean less that of `other`; n is the number of the task's prompts."""

    @property
    def holds(self) -> bool | None:
        """Whether the task is the highest, or another one is; None where it is open."""
        return self.difference.positive

    @property
    def reason(self) -> str | None:
        """Why `holds` is None."""
        undecided = "the interval holds 0" if self.holds is None else None
        return self.difference.reason or undecided


def task_means(
    frame: pd.DataFrame | Units, *, adjusted: bool, level: float = 0.95, bounds: Bounds = UNBOUNDED
) -> pd.DataFrame:
    """Return the mean of each task over its prompts, of the mean over models, with intervals.

    The prompt is the unit; the values of its paraphrases and of the models are averaged, those of
    several models as standard scores (`Units.alike`), of which 0 is the mean over prompts and which
    have no bounds. Raw: the interval of `interval`. Adjusted: in each model, value = task +
    curve(log tokens) by least squares; the error adds up what each prompt moves the mean, through
    its task and through the curve (a sandwich, HC2, so that tasks may scatter differently), its
    degrees of freedom are Satterthwaite's over the tasks, and the ends are those of
    `skewed_ends`.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`; or its units.
        adjusted: whether means are those at each model's mean log length, as `adjusted_values`
            has them, or of the values as they are.
        level: of the intervals.
        bounds: lowest and highest value that the metric can have.

    Returns:
        A row a task, in the order of names: task, mean, low, high, n (prompts), method, reason,
        caution; NaN where undefined.

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("uvwxyz")
        >>> frame = pd.DataFrame({"model": "m", "task": list("aaabbb"), "prompt_id": ids})
        >>> frame = frame.assign(cluster=ids, n_tokens=9, value=[1, 2, 3, 4, 5, 6])
        >>> task_means(frame, adjusted=False)[["mean", "n"]].to_numpy().tolist()
        [[2.0, 3.0], [5.0, 3.0]]
    """
    units, reason = _prepared(frame, adjusted=adjusted)
    bounds = UNBOUNDED if units.scale else bounds
    if reason is not None or not len(units):
        found = [Estimate(None, None, None, int(n), reason=reason) for n in units.counts]
    elif adjusted:
        fits = [Fit.of(units, model) for model in range(len(units.models))]
        found = [
            one.interval(level, skewed=True).within(bounds)
            for one in contrasts(units, fits, np.eye(len(units.tasks)))
        ]
    else:
        found = [mean_of(own, level=level, bounds=bounds) for own in _groups(units)]
    rows = [{"task": task, **asdict(own)} for task, own in zip(units.tasks, found, strict=True)]
    columns = ["task", "value", "low", "high", "n", "method", "reason", "caution"]
    # As objects, texts that are missing stay None.
    table = pd.DataFrame(rows, columns=columns, dtype=object).rename(columns={"value": "mean"})
    return table.astype(dict.fromkeys(("mean", "low", "high"), np.float64) | {"n": np.int64})


def highest_task(
    frame: pd.DataFrame | Units,
    task: str,
    *,
    adjusted: bool,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> Comparison:
    """Return how far the task's mean lies above the largest of the other tasks' means.

    The true difference is the smallest of those to each other task. The lower end is the smallest
    of the lower ends of these differences, each of its own (the task is the highest only if it is
    above every other one, so no correction is needed; Hsu 1984, Ann. Stat. 12, 1136-1144). The
    upper end is the smallest of their upper ends, which hold at once (Bonferroni), since the best
    other task is not known. Differences have the intervals of `difference_interval` or, adjusted,
    Welch's of the analysis of covariance, in standard deviations where there are several models;
    the interval holds the true difference at least as often as `level`.

    Args:
        frame: a values frame of one metric, or its units.
        task: the task in question.
        adjusted: whether means are those at each model's mean log length.
        level: of the interval.
        bounds: lowest and highest value that the metric can have.

    Raises:
        UsageError: if the frame has no such task, or its columns are missing or contradict.
    """
    units, reason = _prepared(frame, adjusted=adjusted)
    bounds = UNBOUNDED if units.scale else bounds
    # One without a value is in the frame alone.
    every = units.tasks if isinstance(frame, Units) else frame["task"].unique()
    tasks = sorted(map(str, every))
    if task not in tasks:
        raise UsageError(f"There is no task {task!r} in the values; there are {', '.join(tasks)}.")
    n = int(units.counts[units.tasks.index(task)]) if task in units.tasks else 0
    method = "comparison with the best other task, Bonferroni; "
    method += f"Welch's t of the {COVARIANCE}" if adjusted else "differences of two tasks"

    def unknown(why: str) -> Comparison:
        return Comparison(task, None, Estimate(None, None, None, n, method, why))

    if n == 0 or len(units.tasks) < 2:
        return unknown("the task has no value" if n == 0 else "there is no other task")
    if reason is not None:
        return unknown(reason)
    place, others = units.tasks.index(task), [name for name in units.tasks if name != task]
    # The upper ends hold at once, the lower ones each: two intervals of every difference.
    strict = 1.0 - (1.0 - level) / len(others)
    lower, upper = _against(units, place, (level, strict), bounds, adjusted=adjusted)
    differences = [math.nan if each.value is None else each.value for each in lower]
    best = int(np.argmin(differences))
    difference, other = differences[best], others[best]
    ends = [(low.low, high.high) for low, high in zip(lower, upper, strict=True)]
    why = next((own.reason for own in (*lower, *upper) if own.reason), None)
    known = [(low, high) for low, high in ends if low is not None and high is not None]
    if why is not None or len(known) < len(ends):
        return Comparison(task, other, Estimate(difference, None, None, n, method, why))
    low, high = min(low for low, _ in known), min(high for _, high in known)
    caution = next((own.caution for own in lower if own.caution), None)
    estimate = Estimate(difference, low, high, n, method, caution=caution)
    return Comparison(task, other, estimate)


def _groups(units: Units) -> list[Floats]:
    """Return the mean over models of each task's units."""
    values = units.values.mean(axis=1)
    return [values[units.codes == task] for task in range(len(units.tasks))]


def _against(
    units: Units, place: int, levels: tuple[float, float], bounds: Bounds, *, adjusted: bool
) -> tuple[list[Estimate], list[Estimate]]:
    """Return one task's differences to each other one, with intervals of two levels."""
    others = [task for task in range(len(units.tasks)) if task != place]
    if adjusted:
        eye = np.eye(len(units.tasks))
        fits = [Fit.of(units, model) for model in range(len(units.models))]
        found = list(contrasts(units, fits, eye[place] - eye[others]))
        lower, upper = ([one.interval(level) for one in found] for level in levels)
        return lower, upper
    groups = _groups(units)
    lower, upper = (
        [
            difference_interval(groups[place], groups[task], level=level, bounds=bounds)
            for task in others
        ]
        for level in levels
    )
    return lower, upper


def leading_task(frame: pd.DataFrame | Units) -> str | None:
    """Return the task with the highest mean as measured; None where no prompt has a value.

    `highest_task` says whether it is the highest beyond chance.

    Args:
        frame: a values frame of one metric, or its units.

    Raises:
        UsageError: if columns are missing or contradict each other.
    """
    units = units_of(frame).alike()
    if not units.models or not len(units):
        return None
    sums = np.bincount(units.codes, weights=units.values.mean(axis=1))
    return units.tasks[int(np.argmax(sums / units.counts))]


def _prepared(frame: pd.DataFrame | Units, *, adjusted: bool) -> tuple[Units, str | None]:
    units = units_of(frame).alike()
    if not adjusted:
        return units.without_length(), None
    if not any(basis.shape[1] for basis in units.bases):
        return units, None
    reasons = [units.slopes(model)[1] for model in range(len(units.models))]
    return units, overlap_of(units).reason or next((why for why in reasons if why), None)
