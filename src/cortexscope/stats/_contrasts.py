"""Pairs of models over the prompts that both read, and pairs of tasks."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._clusters import checked_frame
from cortexscope.stats._coupled import Coupled, Coupler
from cortexscope.stats._effect_sizes import cliffs_delta, hedges_g
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._fit import Fit
from cortexscope.stats._interval import difference_interval
from cortexscope.stats._limits import UNBOUNDED, Bounds
from cortexscope.stats._max_t import MaxT, max_t_paired
from cortexscope.stats._pair_tests import pair_tests
from cortexscope.stats._task_pairs import adjusted_pairs, comparable
from cortexscope.stats._units import Units, units_of

__all__ = ["model_contrasts", "task_contrasts"]

Floats = NDArray[np.float64]
_Row = dict[str, Any]

_NUMBERS = (
    "n_a", "n_b", "difference", "low", "high", "hedges_g", "hedges_g_low", "hedges_g_high",
    "cliffs_delta", "cliffs_delta_low", "cliffs_delta_high", "p", "p_max_t", "p_least",
)  # fmt: skip


def model_contrasts(
    frame: pd.DataFrame,
    *,
    rng: np.random.Generator,
    permutations: int = 5000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> pd.DataFrame:
    """Return every pair of models, compared over the prompts that both read.

    Over all tasks, and in each task. A prompt's paraphrases are averaged first. p is that of sign
    flips, one of which turns a prompt's differences of all pairs, so that p_max_t (Westfall and
    Young's step-down max-T) keeps two families: the pairs over all tasks, and those in each task.
    Lengths are as each model's tokenizer has them; give `adjusted_values(frame)` to compare at
    equal lengths.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `value`.
        rng: draws the flips.
        permutations: how many sign flips are drawn; all are made if they are no more.
        level: of the intervals.
        bounds: lowest and highest value that the metric can have.

    Returns:
        A row a pair and task: a, b, task (None over all), n_a, n_b (prompts), difference (mean of
        a less that of b), low, high, hedges_g and cliffs_delta (of the pairs of values) with their
        `_low` and `_high`, p, p_max_t, p_least (the smallest of both that was reachable), family,
        method, reason, caution (why the interval may hold less often); NaN where undefined.

    Raises:
        UsageError: if columns are missing or contradict each other.
    """
    wide = checked_frame(frame).pivot(
        index=["task", "cluster", "prompt_id"], columns="model", values="value"
    )
    units, pairs = _UnitsOfPairs(wide), list(combinations(wide.columns, 2))
    of_task = {task: units.tasks == task for task in sorted(wide.index.unique("task"))}
    differences = np.empty((len(units.tasks), len(pairs)))
    rows: dict[str, list[_Row]] = {"over all tasks": [], "in each task": []}
    for place, (a, b) in enumerate(pairs):
        both = units.of(a, b)
        differences[:, place] = both[:, 0] - both[:, 1]
        known = np.isfinite(differences[:, place])
        for task in (None, *of_task):
            x, y = both[known if task is None else known & of_task[task]].T
            found = difference_interval(x, y, paired=True, level=level, bounds=bounds)
            family = "over all tasks" if task is None else "in each task"
            row = {"a": a, "b": b, "task": task, "family": f"pairs of models {family}"}
            rows[family].append(row | _compared(x, y, found, paired=True, level=level))
    for family, own in rows.items():
        groups = units.tasks if family == "in each task" else None
        _put(own, max_t_paired(differences, groups=groups, rng=rng, permutations=permutations))
    cells = len(of_task)
    by_pair = [
        row
        for place, over_all in enumerate(rows["over all tasks"])
        for row in (over_all, *rows["in each task"][place * cells : (place + 1) * cells])
    ]
    return _table(by_pair, ("a", "b", "task"))


class _UnitsOfPairs:
    """The means of clusters of two models' values, over the prompts that both have read."""

    def __init__(self, wide: pd.DataFrame) -> None:
        """Take a table of models side by side, of which a row is a task, cluster and prompt."""
        self._wide = wide
        self._known = wide.notna()
        self._every = self._means(wide).index
        self._made: dict[tuple[object, bytes], Floats] = {}
        self.tasks = self._every.get_level_values("task").to_numpy()
        """Of each cluster that any model has read."""

    def of(self, first: object, second: object) -> Floats:
        """Return both models' means, [cluster, model]; NaN of a cluster that they do not share."""
        both = (self._known[first] & self._known[second]).to_numpy()
        return np.column_stack([self._of(name, both) for name in (first, second)])

    def _of(self, model: object, rows: NDArray[np.bool_]) -> Floats:
        # Most pairs share the same prompts.
        key = (model, rows.tobytes())
        if key not in self._made:
            means = self._means(self._wide.loc[rows, [model]]).reindex(self._every)
            self._made[key] = means[model].to_numpy(dtype=np.float64)
        return self._made[key]

    @staticmethod
    def _means(wide: pd.DataFrame) -> pd.DataFrame:
        return wide.groupby(level=["task", "cluster"], observed=True).mean()


def _put(rows: list[_Row], tested: MaxT) -> None:
    """Put the tests of a family into its rows."""
    for place, row in enumerate(rows):
        reason = tested.reasons[place]
        row |= {
            "p": tested.p[place], "p_max_t": tested.p_adjusted[place],
            "p_least": tested.p_least[place], "reason": row["reason"] or reason,
            "method": row["method"] if reason else _joined(row["method"], tested.method),
        }  # fmt: skip


def _joined(*methods: str) -> str:
    return "; ".join(text for text in methods if text)


def task_contrasts(
    frame: pd.DataFrame | Units,
    *,
    adjusted: bool,
    rng: np.random.Generator,
    permutations: int = 5000,
    couple: Coupler | None = None,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> pd.DataFrame:
    """Return every pair of tasks, compared over their prompts' means over the models.

    A prompt's paraphrases are averaged first; of several models, each one's values are standard
    scores (`Units.alike`). Raw: intervals are those of `difference_interval`. Adjusted: as
    `adjusted_pairs` has them, at equal lengths. p and p_max_t, in the family of all pairs, are
    those of `pair_tests`; a test of values that were adjusted first would take the curve as known
    and find too much. In simulations without effect, raw or differing in length alone, 4 to 5 % of
    families err (`benchmarks/coverage.py`).

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`; or its units.
        adjusted: whether what length does is taken out.
        rng: draws the permutations, unless `couple` gives them.
        permutations: how many are drawn; all relabellings are made if they are no more.
        couple: gives the permutations, such as the same ones for many models (`DrawnOnce`).
        level: of the intervals.
        bounds: lowest and highest value that the metric can have; standard scores have none.

    Returns:
        A row a pair, with the columns of `model_contrasts` except `task`; n_a and n_b are the
        numbers of prompts that every model has a value for.

    Raises:
        UsageError: if columns are missing or contradict each other.
    """
    units = units_of(frame).alike()
    bounds = UNBOUNDED if units.scale else bounds
    units = units if adjusted else units.without_length()
    fits, reasons = comparable(units)
    rows = (
        _at_equal_lengths(units, fits, reasons, level=level, bounds=bounds)
        if adjusted
        else _as_they_are(units, level=level, bounds=bounds)
    )
    pairs = list(combinations(range(len(units.tasks)), 2))
    usable = [place for place, reason in enumerate(reasons) if reason is None]
    found = pair_tests(
        units,
        fits,
        [pairs[place] for place in usable],
        couple=couple or partial(Coupled, rng=rng),
        permutations=permutations,
    )
    for place, p, p_max_t, p_least, method in zip(usable, *found, strict=True):
        how = _joined(rows[place]["method"], method)
        rows[place] |= {"p": p, "p_max_t": p_max_t, "p_least": p_least, "method": how}
    family = f"all pairs of tasks, {'at equal lengths' if adjusted else 'raw'}"
    for row, reason in zip(rows, reasons, strict=True):
        row |= {
            "family": family, "reason": row["reason"] or reason,
            "method": units.noted(row["method"]),
        }  # fmt: skip
    return _table(rows, ("a", "b"))


def _as_they_are(units: Units, *, level: float, bounds: Bounds) -> list[_Row]:
    values = units.values.mean(axis=1) if units.models else np.empty(0)
    groups = [values[units.codes == task] for task in range(len(units.tasks))]
    rows = []
    for a, b in combinations(range(len(units.tasks)), 2):
        found = difference_interval(groups[a], groups[b], level=level, bounds=bounds)
        names = {"a": units.tasks[a], "b": units.tasks[b]}
        rows.append(names | _compared(groups[a], groups[b], found, paired=False, level=level))
    return rows


def _at_equal_lengths(
    units: Units, fits: list[Fit], reasons: list[str | None], *, level: float, bounds: Bounds
) -> list[_Row]:
    rows = []
    for pair in adjusted_pairs(units, fits, reasons, level=level, bounds=bounds):
        a, b = pair.first, pair.second
        names = {"a": units.tasks[a], "b": units.tasks[b]}
        sizes = {"n_a": units.counts[a], "n_b": units.counts[b]}
        rows.append(names | sizes | _measured(pair.difference, pair.hedges_g, pair.cliffs_delta))
    return rows


def _compared(x: Floats, y: Floats, found: Estimate, *, paired: bool, level: float) -> _Row:
    sizes = (measure(x, y, paired=paired, level=level) for measure in (hedges_g, cliffs_delta))
    row = {"n_a": len(x), "n_b": len(y)} | _measured(found, *sizes)
    # The difference of the means, as they stand elsewhere, to the last digit also where paired.
    return row | {"difference": float(x.mean() - y.mean()) if min(len(x), len(y)) else None}


def _measured(found: Estimate, g: Estimate, delta: Estimate) -> _Row:
    parts = (found, g, delta)
    return {
        "difference": found.value, "low": found.low, "high": found.high,
        "hedges_g": g.value, "hedges_g_low": g.low, "hedges_g_high": g.high,
        "cliffs_delta": delta.value, "cliffs_delta_low": delta.low, "cliffs_delta_high": delta.high,
        "method": _joined(*(part.method or "" for part in parts if not part.reason)),
        "reason": next((part.reason for part in parts if part.reason), None),
        "caution": found.caution,
    }  # fmt: skip


def _table(rows: list[_Row], names: tuple[str, ...]) -> pd.DataFrame:
    columns = [*names, *_NUMBERS, "family", "method", "reason", "caution"]
    counts = ("n_a", "n_b")
    # As objects, texts that are missing stay None.
    return pd.DataFrame(rows, columns=columns, dtype=object).astype(
        {name: np.int64 if name in counts else np.float64 for name in _NUMBERS}
    )
