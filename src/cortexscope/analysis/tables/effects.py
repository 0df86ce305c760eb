"""What the task does to each metric, and what the model does: raw, adjusted for length, matched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cortexscope.analysis._scopes import IN_UNITS, by_scope
from cortexscope.analysis._verdict import told_of_groups
from cortexscope.analysis.tables._families import add_families, prompts_of
from cortexscope.analysis.tables._step import Step
from cortexscope.errors import SuiteError, UsageError
from cortexscope.stats import (
    Effect,
    ModelEffect,
    Remembered,
    TaskEffect,
    explained_interval,
    matched_by_length,
    model_effect,
    task_effect,
    units_of,
)
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Effects"]

_Test = Callable[["pd.DataFrame"], TaskEffect]


class _Kept(NamedTuple):
    """The prompts that were matched by length, and how in a few words."""

    ids: tuple[str, ...]
    note: str


_Found = dict[bytes, tuple[_Kept | str, int]]
"""Of the prompts that a metric has values of, those that were matched."""

_ORDER = (
    "metric", "factor", "scope", "form", "f", "df", "df_residual", "omega_squared",
    "omega_squared_partial", "low", "high", "p", "p_max_t", "p_least", "family", "n", "left_out",
    "method", "reason",
)  # fmt: skip


class Effects(Step):
    """The effect of the task on each metric, and of the model where there are several.

    Forms: `raw`; `adjusted`, with a curve in log tokens beside the tasks; `matched`, raw but on the
    largest part of the prompts in which tasks do not differ in length.

    Metrics of the same prompts share their permutations, which the seed and these prompts alone
    decide: a number is the same whatever else is made. `p_max_t` counts all metrics: step-down
    max-T over those of the same prompts, times the number of such groups; `p_least` is the smallest
    that it could have been. `low` and `high` are the interval of the task's share of the variance
    that length leaves (`stats.explained_interval`), which `omega_squared_partial` estimates.
    """

    name = "effects"
    holds = "the effect of the task and of the model: raw, at equal lengths, matched"
    apart = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, factor (task, model), scope and form; NaN where undefined."""
        import pandas as pd

        of.note("effects of tasks and models")
        permutations = of.settings.permutations
        test = partial(
            task_effect,
            rng=of.stream(self.name),
            permutations=permutations,
            shuffled=Remembered(of.settings.seed),
        )

        def of_scope(frames: list[tuple[str, str, pd.DataFrame]]) -> list[dict[str, Any]]:
            rows = []
            matched: _Found = {}
            # Those that lack no prompt, then those that lack few: metrics of the same prompts share
            # their permutations, which are too large for all to be kept.
            for metric, scope, frame in sorted(frames, key=lambda own: -own[2]["value"].count()):
                units = units_of(frame)
                found = test(units)
                rows.append(_row(metric, "task", scope, "raw", found.raw, found))
                rows.append(_row(metric, "task", scope, "adjusted", found.adjusted, found))
                rows.append(_matched(metric, scope, frame, test, matched))
            return rows

        def of_models(own: tuple[str, pd.DataFrame]) -> list[dict[str, Any]]:
            metric, frame = own
            if frame["model"].nunique() < 2:
                return []
            # One stream for all, so that all metrics have the same signs.
            signs = of.stream(self.name, "model")
            found = model_effect(frame, rng=signs, permutations=permutations)
            return [
                _row(metric, "model", IN_UNITS, form, effect, found)
                for form, effect in (("raw", found.raw), ("adjusted", found.adjusted))
            ]

        groups = [list(own) for _, own in groupby(by_scope(of.read), itemgetter(1))]
        metrics = [(str(name), own) for name, own in of.read.groupby("metric", sort=False)]
        # All models together, which are last, take longest: first, they leave no thread idle.
        every = [*threaded(of_scope, groups[::-1])][::-1]
        rows = list(chain.from_iterable([*every, *threaded(of_models, metrics)]))
        numbers = dict.fromkeys(
            ("f", "omega_squared", "omega_squared_partial", "low", "high", "p"), "float64"
        )
        order = {metric: place for place, metric in enumerate(of.metrics)}
        rows.sort(key=lambda row: order[row["metric"]])
        add_families(rows, statistic="f", of=("factor", "scope", "form"))
        return pd.DataFrame(rows)[list(_ORDER)].astype(numbers)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of each metric in focus whether a column's groups show, beyond length too."""
        if of.groups.column is None:
            return
        table = of.table(self.name)
        table = table[(table["factor"] == "task") & table["metric"].isin(of.focus)]
        for (metric, scope), own in table.groupby(["metric", "scope"], sort=False):
            rows = {str(row["form"]): row for row in own.to_dict("records")}
            yield f"{metric}, {scope}: {told_of_groups(of.groups, rows)}"


def _matched(
    metric: str, scope: str, frame: pd.DataFrame, test: _Test, found: _Found
) -> dict[str, Any]:
    from pandas.util import hash_pandas_object

    own = frame[(frame["kind"] == "original") & frame["value"].notna()]
    blocks = [name for name in ("block",) if name in own]
    facts = own[["model", "task", "prompt_id", "n_tokens", *blocks]]
    key = hash_pandas_object(facts, index=False).to_numpy().tobytes()
    if key not in found:
        found[key] = _matching(own)
    kept, count = found[key]
    if isinstance(kept, str):
        method = "raw, on prompts matched by length"
        none = Effect.undefined(method, kept)
        return _row(metric, "task", scope, "matched", none, None) | {"left_out": count}
    tested = test(own[own["prompt_id"].isin(kept.ids)].assign(n_tokens=1))
    note = f"{tested.raw.method}, {kept.note}"
    row = _row(metric, "task", scope, "matched", tested.raw, tested)
    return row | {"method": note, "left_out": count - tested.n}


def _matching(own: pd.DataFrame) -> tuple[_Kept | str, int]:
    """Return the prompts matched by length, or why there are none, and how many all models read.

    Where tasks are compared inside of blocks, they are matched inside of each.
    """
    keys = [name for name in ("block", "task", "prompt_id") if name in own]
    keyed = own.astype(dict.fromkeys(keys, object))
    counts = keyed.pivot(index=keys, columns="model", values="n_tokens").dropna()
    if "block" not in keys:
        try:
            found = matched_by_length(_lengths(counts))
        except (SuiteError, UsageError) as error:
            return str(error), len(counts)
        return _Kept(found.ids, f"{found.per_task} prompts a task matched by length"), len(counts)
    ids: list[str] = []
    for _, part in counts.groupby(level="block"):
        with suppress(SuiteError, UsageError):
            ids += matched_by_length(_lengths(part.droplevel("block"))).ids
    if not ids:
        return "no block has prompts of two tasks that are alike in length", len(counts)
    return _Kept(tuple(ids), f"{len(ids)} prompts matched by length inside blocks"), len(counts)


def _lengths(counts: pd.DataFrame) -> dict[str, dict[str, NDArray[np.float64]]]:
    tasks = counts.index.get_level_values("task")
    return {
        str(task): dict(zip(part.index.get_level_values("prompt_id"), part.to_numpy(), strict=True))
        for task, part in counts.groupby(tasks)
    }


def _row(
    metric: str,
    factor: str,
    scope: str,
    form: str,
    effect: Effect,
    found: TaskEffect | ModelEffect | None,
) -> dict[str, Any]:
    low, high = _interval(effect) if factor == "task" else (None, None)
    return {
        "metric": metric,
        "factor": factor,
        "scope": scope,
        "form": form,
        "f": effect.statistic,
        "df": effect.df,
        "df_residual": effect.df_residual,
        "omega_squared": effect.omega_squared,
        "omega_squared_partial": effect.omega_squared_partial,
        "low": low,
        "high": high,
        "p": effect.p,
        "family": f"{form} effect of the {factor} in {scope}, all metrics",
        "n": found.n if found else 0,
        "left_out": found.left_out if found else 0,
        "method": effect.method,
        "reason": effect.reason,
        "prompts": prompts_of(found.clusters if found else ()),
        "permuted": effect.permuted,
    }


def _interval(effect: Effect) -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the share of variance that the task explains of what length leaves."""
    f, df, residual = effect.statistic, effect.df, effect.df_residual
    if effect.reason or f is None or not np.isfinite(f) or not df or not residual:
        return None, None
    # Of what explains nothing, F can be less than 0 by rounding.
    return explained_interval(max(f, 0.0), df, residual)
