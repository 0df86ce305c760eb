"""A closer look at a few metrics: pairs of tasks and models, a mixed model, depth, heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import STANDARDISED, bounds_of, scopes, stream, with_units
from cortexscope.analysis._values import head_values, without_controls
from cortexscope.stats import (
    layer_contrasts,
    map_contrasts,
    mixed_model,
    model_contrasts,
    selective,
    task_contrasts,
)
from cortexscope.store import Measurements

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["contrasts", "depth_and_heads", "mixed_models"]


def contrasts(values: pd.DataFrame, *, seed: int, permutations: int) -> Mapping[str, pd.DataFrame]:
    """Return the tables `task_contrasts` (raw and adjusted, by scope) and `model_contrasts`.

    Args:
        values: as `prompt_values` gives them, controls but paraphrases left out.
        seed: of what is drawn.
        permutations: how many a p-value takes.
    """
    pairs: list[tuple[Any, pd.DataFrame]] = []
    between: list[tuple[Any, pd.DataFrame]] = []
    for metric, scope, frame in scopes(values):
        for form in ("raw", "adjusted"):
            # One stream for all, so that the permutations are the same in all scopes.
            rng = stream(seed, "task_contrasts", form)
            found = task_contrasts(
                frame,
                adjusted=form == "adjusted",
                rng=rng,
                permutations=permutations,
                bounds=bounds_of(frame),
            )
            found.insert(0, "model", scope)
            found.insert(1, "form", form)
            pairs.append((metric, found))
    for name, frame in values.groupby("metric", sort=False):
        if frame["model"].nunique() > 1:
            rng = stream(seed, "model_contrasts", str(name))
            found = model_contrasts(
                frame, rng=rng, permutations=permutations, bounds=bounds_of(frame)
            )
            between.append((name, found))
    return {"task_contrasts": _joined(pairs), "model_contrasts": _joined(between)}


def mixed_models(values: pd.DataFrame) -> pd.DataFrame:
    """Return a row a metric, scope and form: the mixed model, its Wald tests and assumptions."""
    import pandas as pd

    rows = []
    for metric, scope, frame in with_units(values):
        found = mixed_model(frame, standardised=scope == STANDARDISED)
        for form, fit in (("raw", found.raw), ("adjusted", found.adjusted)):
            rows.append({"metric": metric, "scope": scope, "form": form, **_flat(asdict(fit))})
    return pd.DataFrame(rows)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            cells |= _flat(value, f"{before}{name}_")
        else:
            cells[f"{before}{name}"] = value
    return cells


def depth_and_heads(
    measured: Measurements,
    leaders: pd.DataFrame,
    *,
    seed: int,
    permutations: int,
) -> Mapping[str, pd.DataFrame]:
    """Return where in each model the highest task differs from the next, and selective heads.

    Args:
        measured: of a run or several.
        leaders: the table of that name, with the metrics and models to be looked at.
        seed: of what is drawn.
        permutations: how many a p-value takes.

    Returns:
        `depth`: the highest task against the best other, layer by layer (max-T). `heads`: the same,
        head by head (Benjamini-Hochberg). `selective`: for each task the heads that tell it from
        the others, chosen on one half of the prompts and judged on the other.
    """
    tables: dict[str, list[tuple[Any, pd.DataFrame]]] = {"depth": [], "heads": [], "selective": []}
    models = measured.labels
    raw = leaders[(leaders["form"] == "raw") & leaders["other"].notna()]
    specs = measured.specs
    deep = raw["metric"].map(lambda name: "layer" in specs[name].axes).astype(bool)
    rows = raw[raw["scope"].isin(models) & deep].to_dict("records")
    if not rows:
        return {name: _joined([]) for name in tables}
    values = head_values(measured, list(dict.fromkeys(row["metric"] for row in rows)))
    values = without_controls(values)
    by_metric = dict(list(values.groupby(["metric", "model"], sort=False)))
    for row in rows:
        metric, model = row["metric"], row["scope"]
        axes, frame = specs[metric].axes, by_metric[metric, model]
        keys = ["model", "task", "prompt_id", "cluster", "layer"]
        found = layer_contrasts(
            frame.groupby(keys, sort=False)["value"].mean().reset_index(),
            row["task"],
            row["other"],
            by="task",
            rng=stream(seed, "depth", metric, model),
            permutations=permutations,
            bounds=bounds_of(frame),
        )
        tables["depth"].append((metric, _of(found, model)))
        if "head" in axes:
            found = map_contrasts(
                frame,
                row["task"],
                row["other"],
                by="task",
                rng=stream(seed, "heads", metric, model),
                permutations=permutations,
                bounds=bounds_of(frame),
            )
            tables["heads"].append((metric, _of(found, model)))
            found = selective(frame, rng=stream(seed, "selective", metric, model)).chosen
            tables["selective"].append((metric, _of(found, model)))
    return {name: _joined(parts) for name, parts in tables.items()}


def _of(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    frame = frame.copy()
    frame.insert(0, "model", model)
    return frame


def _joined(parts: list[tuple[Any, pd.DataFrame]]) -> pd.DataFrame:
    import pandas as pd

    if not parts:
        return pd.DataFrame()
    return pd.concat([part.assign(metric=metric) for metric, part in parts], ignore_index=True)[
        ["metric", *parts[0][1].columns]
    ]
