"""Pairs of models over the prompts that both read, and pairs of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._clusters import checked_frame
from cortexscope.stats._effect_sizes import EffectSize, cliffs_delta, hedges_g
from cortexscope.stats._interval import difference_interval, interval
from cortexscope.stats._limits import Interval
from cortexscope.stats._max_t import max_t_paired, max_t_unpaired
from cortexscope.stats._multiple import holm
from cortexscope.stats._task_pairs import adjusted_pairs
from cortexscope.stats._units import Units, units_of

__all__ = ["model_contrasts", "task_contrasts"]

Floats = NDArray[np.float64]
_Row = dict[str, Any]

_NUMBERS = (
    "n_a", "n_b", "difference", "low", "high", "hedges_g", "hedges_g_low", "hedges_g_high",
    "cliffs_delta", "cliffs_delta_low", "cliffs_delta_high", "p", "p_holm",
)  # fmt: skip


class _Test(NamedTuple):
    p: float | None
    method: str
    reason: str | None


def model_contrasts(
    frame: pd.DataFrame,
    *,
    rng: np.random.Generator,
    permutations: int = 5000,
    resamples: int = 2000,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return every pair of models, compared over the prompts that both read.

    Over all tasks, and in each task. A prompt's paraphrases are averaged first. p is that of sign
    flips, adjusted by Holm in two families: the pairs over all tasks, and the pairs in each task.
    Lengths are as each model's tokenizer has them; give `adjusted_values(frame)` to compare at
    equal lengths.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `value`.
        rng: draws resamples and flips.
        permutations: how many sign flips are drawn; all are made if they are no more.
        resamples: how many resamples an interval takes.
        level: of the intervals.

    Returns:
        A row a pair and task: a, b, task (None over all), n_a, n_b (prompts), difference (mean of
        a less that of b), low, high, hedges_g and cliffs_delta (of the pairs of values) with their
        `_low` and `_high`, p, p_holm, family, method, reason; NaN where undefined.

    Raises:
        UsageError: if columns are missing or contradict each other.
    """
    wide = checked_frame(frame).pivot(
        index=["task", "cluster", "prompt_id"], columns="model", values="value"
    )
    rows, pairs = [], []
    for a, b in combinations(wide.columns, 2):
        units = wide[[a, b]].dropna().groupby(level=["task", "cluster"]).mean()
        tasks = units.index.get_level_values("task")
        for task in (None, *sorted(wide.index.unique("task"))):
            x, y = units.to_numpy()[slice(None) if task is None else tasks == task].T
            found = interval(x - y, rng=rng, resamples=resamples, level=level)
            family = f"pairs of models {'over all tasks' if task is None else 'in each task'}"
            rows.append(
                {"a": a, "b": b, "task": task, "family": family}
                | _compared(x, y, found, paired=True, level=level)
            )
            pairs.append((x, y))
    tests = _tests(pairs, paired=True, rng=rng, permutations=permutations)
    return _table(rows, tests, ("a", "b", "task"))


def task_contrasts(
    frame: pd.DataFrame,
    *,
    adjusted: bool,
    rng: np.random.Generator,
    permutations: int = 5000,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return every pair of tasks, compared over their prompts' means over the models.

    A prompt's paraphrases are averaged first. Raw: intervals are those of `difference_interval`,
    p that of relabellings. Adjusted: as `adjusted_pairs` has them, at equal lengths; a test of
    values that were adjusted first would take the curve as known and find too much. p is adjusted
    by Holm in the family of all pairs. In simulations of 10 pairs without effect, raw or differing
    in length alone, 4 to 5 % of families err (`benchmarks/coverage.py`).

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`.
        adjusted: whether what length does is taken out.
        rng: draws the permutations.
        permutations: how many are drawn; all relabellings are made if they are no more.
        level: of the intervals.

    Returns:
        A row a pair, with the columns of `model_contrasts` except `task`; n_a and n_b are the
        numbers of prompts that every model has a value for.

    Raises:
        UsageError: if columns are missing or contradict each other.
    """
    units = units_of(frame)
    rows, tests = (
        _at_equal_lengths(units, rng=rng, permutations=permutations, level=level)
        if adjusted
        else _as_they_are(units, rng=rng, permutations=permutations, level=level)
    )
    family = f"all pairs of tasks, {'at equal lengths' if adjusted else 'raw'}"
    return _table([row | {"family": family} for row in rows], tests, ("a", "b"))


def _as_they_are(
    units: Units, *, rng: np.random.Generator, permutations: int, level: float
) -> tuple[list[_Row], list[_Test]]:
    values = units.values.mean(axis=1) if units.models else np.empty(0)
    groups = [values[units.codes == task] for task in range(len(units.tasks))]
    rows, pairs = [], []
    for a, b in combinations(range(len(units.tasks)), 2):
        found = difference_interval(groups[a], groups[b], level=level)
        names = {"a": units.tasks[a], "b": units.tasks[b]}
        rows.append(names | _compared(groups[a], groups[b], found, paired=False, level=level))
        pairs.append((groups[a], groups[b]))
    return rows, _tests(pairs, paired=False, rng=rng, permutations=permutations)


def _at_equal_lengths(
    units: Units, *, rng: np.random.Generator, permutations: int, level: float
) -> tuple[list[_Row], list[_Test]]:
    rows, tests = [], []
    for pair in adjusted_pairs(units, rng=rng, permutations=permutations, level=level):
        a, b = pair.first, pair.second
        names = {"a": units.tasks[a], "b": units.tasks[b]}
        sizes = {"n_a": units.counts[a], "n_b": units.counts[b], "difference": pair.difference}
        rows.append(names | sizes | _measured(pair.interval, pair.hedges_g, pair.cliffs_delta))
        tests.append(_Test(pair.p, pair.method, pair.reason))
    return rows, tests


def _compared(x: Floats, y: Floats, found: Interval, *, paired: bool, level: float) -> _Row:
    known = len(x) > 0 and len(y) > 0
    return {
        "n_a": len(x),
        "n_b": len(y),
        "difference": float(x.mean() - y.mean()) if known else None,
    } | _measured(
        found,
        hedges_g(x, y, paired=paired, level=level),
        cliffs_delta(x, y, paired=paired, level=level),
    )


def _measured(found: Interval, g: EffectSize, delta: EffectSize) -> _Row:
    parts = (found, g, delta)
    return {
        "low": found.low, "high": found.high,
        "hedges_g": g.value, "hedges_g_low": g.low, "hedges_g_high": g.high,
        "cliffs_delta": delta.value, "cliffs_delta_low": delta.low, "cliffs_delta_high": delta.high,
        "method": "; ".join(part.method for part in parts if part.method and not part.reason),
        "reason": next((part.reason for part in parts if part.reason), None),
    }  # fmt: skip


def _tests(
    pairs: Sequence[tuple[Floats, Floats]],
    *,
    paired: bool,
    rng: np.random.Generator,
    permutations: int,
) -> list[_Test]:
    """Return the test of each pair of samples; those of the same sizes share their exchanges."""
    sizes = [(len(x), len(y)) for x, y in pairs]
    tests: list[_Test] = [_Test(None, "", None)] * len(pairs)
    for size in dict.fromkeys(sizes):
        places = [place for place, own in enumerate(sizes) if own == size]
        first, second = (
            np.column_stack([pairs[place][side] for place in places]) for side in (0, 1)
        )
        found = (
            max_t_paired(first - second, rng=rng, permutations=permutations)
            if paired
            else max_t_unpaired(first, second, rng=rng, permutations=permutations)
        )
        for place, p, reason in zip(places, found.p, found.reasons, strict=True):
            tests[place] = _Test(None if reason else float(p), found.method, reason)
    return tests


def _table(rows: list[_Row], tests: list[_Test], names: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows with their tests, and Holm's p in each family."""
    for row, test in zip(rows, tests, strict=True):
        row["p"] = test.p
        row["method"] = "; ".join(text for text in (row["method"], test.method) if text)
        row["reason"] = row["reason"] or test.reason
    columns = [*names, *_NUMBERS, "family", "method", "reason"]
    counts = ("n_a", "n_b")
    # As objects, texts that are missing stay None.
    table = pd.DataFrame(rows, columns=columns, dtype=object).astype(
        {name: np.int64 if name in counts else np.float64 for name in _NUMBERS}
    )
    for _, family in table.groupby("family"):
        table.loc[family.index, "p_holm"] = holm(family["p"].to_numpy())
    return table
