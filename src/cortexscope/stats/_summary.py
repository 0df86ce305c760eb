"""Each model's values of each task, in a row: mean, spread, median and their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._clusters import checked_frame, unit_means
from cortexscope.stats._interval import Statistic, interval
from cortexscope.stats._limits import FEWEST, UNBOUNDED, Bounds
from cortexscope.stats._power import prompts_needed

__all__ = ["summary"]

_LARGE = 0.8
_NAMES: dict[Statistic, tuple[str, str, str]] = {
    "mean": ("mean", "low", "high"),
    "median": ("median", "median_low", "median_high"),
    "trimmed mean": ("trimmed_mean", "trimmed_low", "trimmed_high"),
}
_COLUMNS = (
    "model", "task", "mean", "sd", "n", "n_clusters", "low", "high", "median", "median_low",
    "median_high", "trimmed_mean", "trimmed_low", "trimmed_high", "method", "reason", "caution",
)  # fmt: skip


def summary(
    frame: pd.DataFrame,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> pd.DataFrame:
    """Return what each model's values of each task are, with intervals over prompts.

    The unit is the prompt: the values of its paraphrases and controls (one cluster) are averaged
    first, and everything is of those means. `sd` has the divisor n - 1. Intervals are those of
    `interval`.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `value`.
        rng: draws the resamples.
        resamples: how many an interval takes.
        level: of the intervals.
        bounds: lowest and highest value that the metric can have.

    Returns:
        A row a model and task, in the order of their names: model, task, mean, sd, n (texts with
        a value), n_clusters (independent prompts among them), low, high, median, median_low,
        median_high, trimmed_mean, trimmed_low, trimmed_high, method, reason (why an interval is
        undefined), caution (why that of the mean may hold it less often than it says); NaN where
        undefined.

    Raises:
        UsageError: if columns are missing, or a model has two values for one prompt.
    """
    checked_frame(frame)
    rows = []
    for (model, task), cell in frame.groupby(["model", "task"], sort=True):
        values = cell["value"].to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(values)
        units = unit_means(values[known], cell["cluster"].to_numpy()[known])
        rows.append(
            {"model": model, "task": task, "n": int(known.sum())}
            | _described(units, rng=rng, resamples=resamples, level=level, bounds=bounds)
        )
    numbers = ("sd", *(name for names in _NAMES.values() for name in names))
    types = dict.fromkeys(numbers, np.float64) | dict.fromkeys(("n", "n_clusters"), np.int64)
    # As objects, texts that are missing stay None.
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object).astype(types)


def _described(
    units: NDArray[np.float64],
    *,
    rng: np.random.Generator,
    resamples: int,
    level: float,
    bounds: Bounds,
) -> dict[str, Any]:
    n = len(units)
    row: dict[str, Any] = {"n_clusters": n, "sd": units.std(ddof=1) if n > 1 else None}
    methods, reasons = [], []
    for statistic, names in _NAMES.items():
        found = interval(
            units, rng=rng, resamples=resamples, level=level, statistic=statistic, bounds=bounds
        )
        if statistic == "mean":
            row["caution"] = found.caution
        row |= zip(names, (found.value, found.low, found.high), strict=True)
        methods += [f"{statistic}: {found.method}"] if found.method else []
        reasons += [found.reason] if found.reason else []
    row["method"] = "; ".join(methods) or None
    row["reason"] = "; ".join(dict.fromkeys(reasons)) or None
    if n < FEWEST:
        row["caution"] = (
            f"{n} independent prompts are too few: two tasks that differ by {_LARGE} sd need "
            f"{prompts_needed(_LARGE, paired=False)} each, two models "
            f"{prompts_needed(_LARGE, paired=True)}"
        )
    return row
