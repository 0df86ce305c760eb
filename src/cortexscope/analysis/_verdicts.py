"""What a run's statistics come to, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._analysis import Analysis
from cortexscope.analysis._layers import BEST
from cortexscope.analysis._scopes import STANDARDISED

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["verdicts"]

_Row = Mapping[Any, Any]

_USUAL = "study.attention_entropy"


def verdicts(found: Analysis) -> tuple[str, ...]:
    """Return sentences on tasks, layers, heads, neurons, controls, and cells that are too small.

    Args:
        found: as `analyse` gives it.
    """
    return (
        *_leaders(found.tables["leaders"]),
        *_probes(found.tables["probes"], found.tables["probe_baselines"]),
        *_selective(found.tables["selective"], "head"),
        *_selective(found.tables["selective_neurons"], "neuron"),
        *_controls(found.tables["controls"]),
        *_cautions(found.tables["summary"]),
    )


def _leaders(leaders: pd.DataFrame) -> Iterator[str]:
    if leaders.empty:
        return
    several = (leaders["scope"] == STANDARDISED).any()
    chosen = leaders[leaders["scope"] == STANDARDISED] if several else leaders
    for (metric, scope), own in chosen.groupby(["metric", "scope"], sort=False):
        name = f"{metric}, {scope}"
        rows = {row["form"]: row for row in own.to_dict("records")}
        raw, adjusted = rows["raw"], rows["adjusted"]
        if _unknown(raw["low"]):
            yield f"{name}: which task is highest cannot be told ({raw['reason']})."
            continue
        first = f"{name}: highest in {raw['task']}"
        if raw["holds"] is not True:
            yield f"{name}: which task is highest is open ({raw['task']} {_difference(raw)})."
        elif _unknown(adjusted["low"]):
            yield (
                f"{first} raw ({_difference(raw)}); whether that survives length control cannot be "
                f"told ({adjusted['reason']})."
            )
        elif adjusted["holds"] is True:
            yield (
                f"{first} ({_difference(raw)}), with length controlled too "
                f"({_difference(adjusted)})."
            )
        else:
            yield (
                f"{first} raw ({_difference(raw)}); that does not survive length control "
                f"({_difference(adjusted)})."
            )


def _difference(row: _Row) -> str:
    unit = " sd" if row["scope"] == STANDARDISED else ""
    return (
        f"{row['difference']:+.3g}{unit} [{row['low']:.3g}, {row['high']:.3g}] against "
        f"{row['other']}, n = {row['n']}"
    )


def _unknown(value: Any) -> bool:  # noqa: ANN401 - a cell of any frame
    return value is None or value != value


def _probes(probes: pd.DataFrame, baselines: pd.DataFrame) -> Iterator[str]:
    if probes.empty:
        return
    for model, own in baselines.groupby("model", sort=False):
        rows = {row["baseline"]: row for row in own.to_dict("records")}
        best = rows[BEST]
        if _unknown(best["accuracy"]):
            yield f"{model}: no probe ({best['reason']})."
            continue
        layers = probes[probes["model"] == model]
        yield (
            f"{model}: layer {best['layer']} tells the tasks apart best, {_share(best)} of fresh "
            f"prompts right; words alone {_share(rows['words'])}, length alone "
            f"{_share(rows['length'])}, chance {layers['chance'].iloc[0]:.2f}. "
            f"{int((layers['beats'] == True).sum())} of {len(layers)} layers beat both."  # noqa: E712
        )


def _share(row: _Row) -> str:
    if _unknown(row["accuracy"]):
        return "unknown"
    return f"{row['accuracy']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _selective(table: pd.DataFrame, part: str) -> Iterator[str]:
    """Yield the part of each model with the largest effect, and what is left on other prompts."""
    if table.empty:
        return
    place = {"head": "head", "neuron": "index"}[part]
    known = table[table["p"].notna()]
    for model, own in known.groupby("model", sort=False):
        # At equal lengths wherever tasks can be compared so.
        adjusted = own[own["values"] == "adjusted"]
        form, rows = ("raw", own) if adjusted.empty else ("at equal lengths", adjusted)
        best = max(rows.to_dict("records"), key=lambda row: abs(row["chosen_g"]))
        of = f" ({best['metric']})" if "metric" in best else ""
        yield (
            f"{model}: the most selective {part} on half of the prompts is {best[place]} of layer "
            f"{best['layer']}, for {best['task']}{of}; on the other half Hedges g is "
            f"{best['g']:.2f} [{best['low']:.2f}, {best['high']:.2f}] {form}, "
            f"p = {best['p_bh']:.2g} (Benjamini and Hochberg)."
        )


def _controls(controls: pd.DataFrame) -> Iterator[str]:
    if controls.empty:
        return
    chosen = controls[controls["metric"] == _USUAL]
    chosen = controls[controls["metric"] == controls["metric"].iloc[0]] if chosen.empty else chosen
    for row in chosen.to_dict("records"):
        if not _unknown(row["mean"]):
            yield (
                f"{row['metric']}, {row['model']}: {row['original']:.3g} on prompts and "
                f"{row['mean']:.3g} on their control {row['control']} (n = {row['n']})."
            )


def _cautions(summary: pd.DataFrame) -> Iterator[str]:
    # A metric that a model has no value of at all says so in its reason.
    cells = summary[summary["caution"].notna() & (summary["n"] > 0)]
    if len(cells):
        first = cells.sort_values("n_clusters", kind="stable").iloc[0]
        yield (
            f"Caution: intervals of {len(cells)} of {len(summary)} means (metric, task, model) may "
            f"hold less often than they say; the first is {first['metric']}, {first['task']}, "
            f"{first['model']}: {first['caution']}."
        )
