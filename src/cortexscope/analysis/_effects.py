"""What the task does to each metric, and what the model does: raw, adjusted for length, matched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._values import without_controls
from cortexscope.errors import SuiteError, UsageError
from cortexscope.stats import (
    Effect,
    Matched,
    Remembered,
    TaskEffect,
    holm,
    matched_by_length,
    model_effect,
    task_effect,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["ALL_MODELS", "effects"]

_Test = Callable[["pd.DataFrame"], TaskEffect]
_Found = dict[tuple[Any, ...], tuple[Matched | str, int]]
"""Of the prompts that a metric has values of, those that were matched."""

ALL_MODELS = "all models"
"""The scope in which a prompt's value is its mean over the models."""


def effects(
    values: pd.DataFrame, *, rng: np.random.Generator, permutations: int = 2000
) -> pd.DataFrame:
    """Return the effect of the task on each metric, and of the model where there are several.

    Forms: `raw`; `adjusted`, with a curve in log tokens beside the tasks; `matched`, raw but on the
    largest part of the prompts in which tasks do not differ in length.

    Args:
        values: as `prompt_values` gives them; controls but paraphrases are left out.
        rng: draws the permutations.
        permutations: how many.

    Returns:
        A row for each metric, factor (`task`, `model`), scope (a model, or `ALL_MODELS`) and form:
        metric, factor, scope, form, f, df, df_residual, omega_squared, p, p_holm, family, n,
        left_out, method, reason. `p_holm` is adjusted by Holm for the number of metrics; NaN where
        undefined.
    """
    import pandas as pd

    read = without_controls(values)
    # All metrics are of the same prompts, so they share the permutations, and what is matched.
    shuffled = Remembered()
    matched: _Found = {}
    test = partial(task_effect, rng=rng, permutations=permutations, shuffled=shuffled)
    rows = []
    for metric, frame in read.groupby("metric", sort=False):
        for row in _of_metric(frame, test, matched, rng=rng, permutations=permutations):
            rows.append({"metric": metric, **row})
    found = pd.DataFrame(rows)
    found = found.astype(dict.fromkeys(("f", "omega_squared", "p"), "float64"))
    found["p_holm"] = found.groupby(["factor", "scope", "form"])["p"].transform(
        lambda p: holm(p.to_numpy())
    )
    found["family"] = [
        f"{row.form} effect of the {row.factor} in {row.scope}, all metrics"
        for row in found.itertuples()
    ]
    order = ["metric", "factor", "scope", "form", "f", "df", "df_residual", "omega_squared", "p"]
    return found[[*order, "p_holm", "family", "n", "left_out", "method", "reason"]]


def _of_metric(
    frame: pd.DataFrame,
    test: _Test,
    matched: _Found,
    *,
    rng: np.random.Generator,
    permutations: int,
) -> Iterator[dict[str, Any]]:
    models = list(dict.fromkeys(frame["model"]))
    scopes = [(model, frame[frame["model"] == model]) for model in models]
    if len(models) > 1:
        scopes.append((ALL_MODELS, frame))
    for scope, own in scopes:
        found = test(own)
        for form, effect in (("raw", found.raw), ("adjusted", found.adjusted)):
            yield _row("task", scope, form, effect, found.n, found.left_out)
        yield _matched(scope, own, test, matched)
    if len(models) > 1:
        between = model_effect(frame, rng=rng, permutations=permutations)
        for form, effect in (("raw", between.raw), ("adjusted", between.adjusted)):
            yield _row("model", ALL_MODELS, form, effect, between.n, between.left_out)


def _matched(scope: str, frame: pd.DataFrame, test: _Test, found: _Found) -> dict[str, Any]:
    own = frame[(frame["kind"] == "original") & frame["value"].notna()]
    key = tuple(tuple(own[name]) for name in ("model", "task", "prompt_id", "n_tokens"))
    if key not in found:
        found[key] = _matching(own)
    kept, count = found[key]
    if isinstance(kept, str):
        method = "raw, on prompts matched by length"
        nothing = Effect(None, None, None, None, None, method, kept)
        return _row("task", scope, "matched", nothing, 0, count)
    tested = test(own[own["prompt_id"].isin(kept.ids)].assign(n_tokens=1))
    note = f"{tested.raw.method}, {kept.per_task} prompts a task matched by length"
    row = _row("task", scope, "matched", tested.raw, tested.n, count - tested.n)
    return {**row, "method": note}


def _matching(own: pd.DataFrame) -> tuple[Matched | str, int]:
    """Return the prompts matched by length, or why there are none, and how many all models read."""
    counts = own.pivot(index=["task", "prompt_id"], columns="model", values="n_tokens").dropna()
    tasks = counts.index.get_level_values("task")
    lengths = {
        str(task): dict(zip(part.index.get_level_values("prompt_id"), part.to_numpy(), strict=True))
        for task, part in counts.groupby(tasks)
    }
    try:
        return matched_by_length(lengths), len(counts)
    except (SuiteError, UsageError) as error:
        return str(error), len(counts)


def _row(
    factor: str, scope: str, form: str, effect: Effect, n: int, left_out: int
) -> dict[str, Any]:
    return {
        "factor": factor,
        "scope": scope,
        "form": form,
        "f": effect.statistic,
        "df": effect.df,
        "df_residual": effect.df_residual,
        "omega_squared": effect.omega_squared,
        "p": effect.p,
        "n": n,
        "left_out": left_out,
        "method": effect.method,
        "reason": effect.reason,
    }
