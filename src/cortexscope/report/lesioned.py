"""What parts of a model are needed for: findings first, then tables; for pages and terminals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis import CHANCE, DEPTH, EFFECTS, Analysis, specific
from cortexscope.document import Column, Part, Table
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report.lesioned_values import lesion_values_findings

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "lesion_findings",
    "lesion_measures_table",
    "lesion_parts_table",
    "lesion_specific_table",
]

_Row = dict[Any, Any]

_COLUMN = {"surprisal": "bits", "kl": "kl"}
_UNIT = {"surprisal": "bits a byte", "kl": "nats a token (KL)"}
_WORDS = {"attention": "attentions", "mlp": "MLPs"}
"""What several parts of a kind are called, where that is not the kind's own name."""

_MOST = 3
"""How many are named in a sentence."""


def lesion_findings(analysis: Analysis, *, loss: str = EFFECTS[0]) -> tuple[str, ...]:
    """Return what taking parts out found, in sentences.

    Args:
        analysis: of a run that `cortexscope lesion` wrote.
        loss: what parts are judged by, of `EFFECTS`, or a metric.
    """
    table = analysis.table("lesion_effects")
    if table.empty:
        return ("No part of the model was taken out.",)
    if loss not in EFFECTS:
        return lesion_values_findings(analysis, loss)
    labels = Labels(analysis.measured.specs)
    said: list[str] = []
    for (model, kind), own in table.groupby(["model", "kind"], sort=False):
        of = plain(str(model))
        said += _needed(of, str(kind), own[own["task"].isna()], loss)
        said += _agreement(of, analysis.table("lesion_agreement"), str(model), str(kind))
        said += _specific(of, analysis.table("lesion_specific"), str(model), str(kind), loss)
        measures = analysis.table("lesion_measures")
        said += _measures(of, measures, str(model), str(kind), loss, labels)
    return tuple(said)


def _needed(of: str, kind: str, own: pd.DataFrame, loss: str) -> Iterator[str]:
    column = _COLUMN[loss]
    known = own[own[column].notna()].sort_values(column, ascending=False)
    if known.empty:
        yield f"{of}: {_several(kind)} are not judged: {own['reason'].iloc[0]}."
        return
    first, last = known.iloc[0], known.iloc[-1]
    looked_at = int(first["looked_at"])
    foremost = f" (the foremost of {looked_at} by estimate)" if looked_at > len(known) else ""
    clear = int((known["p_max_t"] <= CHANCE).sum())
    most = ", ".join(
        f"{row['part']} ({_estimate(row, column)})" for row in known.head(_MOST).to_dict("records")
    )
    yield (
        f"{of}: without one of {len(known)} {_several(kind)}{foremost}, bits per byte change in "
        f"{clear} cases (max-T, 5 %). Needed most: {most} {_UNIT[loss]}; least: {last['part']} "
        f"({_estimate(last, column)}), n = {int(first['prompts'])} prompts."
    )


def _agreement(of: str, table: pd.DataFrame, model: str, kind: str) -> Iterator[str]:
    if table.empty:
        return
    for row in table[(table["model"] == model) & (table["kind"] == kind)].to_dict("records"):
        if row["rho"] is None or np.isnan(row["rho"]):
            yield f"{of}: estimates of {kind} are not judged: {row['reason']}."
            continue
        ends = "" if np.isnan(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
        yield (
            f"{of}: over these {row['parts']} {kind}, estimate and truth agree by Spearman's rho "
            f"{row['rho']:.2f}{ends}, and have the same sign in {100 * row['same_sign']:.0f} %."
        )


def _specific(of: str, table: pd.DataFrame, model: str, kind: str, loss: str) -> Iterator[str]:
    if table.empty:
        return
    tested = table[(table["model"] == model) & (table["kind"] == kind)]
    if tested.empty:
        return
    own = specific(tested, loss)
    if own.empty:
        yield (
            f"{of}: no {_several(kind)} are needed for one task more than for others, beyond "
            "chance."
        )
        return
    named = "; ".join(
        f"{row['part']} for {task_title(row['task'])} (g = {row['g']:.2f} [{row['low']:.2f}, "
        f"{row['high']:.2f}])"
        for row in own.head(_MOST).to_dict("records")
    )
    more = "" if len(own) <= _MOST else f"; {len(own) - _MOST} further ones are in the table"
    yield (
        f"{of}: {len(own)} {_several(kind)} are needed for one task more than for others, on "
        f"prompts that they were not chosen on: {named}{more}."
    )


def _measures(
    of: str, table: pd.DataFrame, model: str, kind: str, loss: str, labels: Labels
) -> Iterator[str]:
    if table.empty:
        return
    own = table[(table["model"] == model) & (table["kind"] == kind)]
    own = own[own["effect"].isin([loss, "estimate"]) & (own["metric"] != DEPTH)]
    tested = own[own["p_max_t"].notna()]
    if tested.empty:
        return
    clear = tested[tested["p_max_t"] <= CHANCE]
    ordered = clear.reindex(clear["rho"].abs().sort_values(ascending=False).index)
    named = ", ".join(
        f"{labels.title(row['metric'])} ({row['rho']:+.2f} [{row['low']:.2f}, {row['high']:.2f}])"
        for row in ordered.head(_MOST).to_dict("records")
    )
    by = " by estimate" if (own["effect"] == "estimate").any() else ""
    yield (
        f"{of}: {len(clear)} of {len(tested)} metrics predict which {_several(kind)} are "
        f"needed{by} (rank correlation, max-T over metrics, 5 %){f': {named}' if named else ''}."
    )


def _several(kind: str) -> str:
    return _WORDS.get(kind, kind)


def _estimate(row: Any, column: str) -> str:  # noqa: ANN401 - a row of a frame, or a dictionary
    form = "+.3g" if column == "bits" else ".3g"
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    ends = "" if np.isnan(low) else f" [{low:{form}}, {high:{form}}]"
    return f"{row[column]:{form}}{ends}"


_PARTS = (
    Column("Part"), Column("Δbits", "number", digits=3), Column("Low_95", "number", digits=3),
    Column("High_95", "number", digits=3), Column("P", "number", digits=2),
    Column("KL", "number", digits=3), Column("Prompts", "integer"),
)  # fmt: skip
_OF_PARTS = ("bits", "bits_low", "bits_high", "p_max_t", "kl", "prompts")


def lesion_parts_table(
    analysis: Analysis, *, loss: str = EFFECTS[0], most: int | None = None
) -> Table:
    """Return what each part is needed for over all prompts, the most needed of a kind first.

    Args:
        analysis: of the run.
        loss: what parts are ordered by, of `EFFECTS`.
        most: so many of each kind; all where None.
    """
    table = analysis.table("lesion_effects")
    whole = table[table["task"].isna()] if len(table) else table
    one = len(analysis.measured.labels) == 1
    rows: list[tuple[object, ...]] = []
    reasons: dict[tuple[int, str], str] = {}
    for (model, _), own in whole.groupby(["model", "kind"], sort=False) if len(whole) else ():
        ordered = own.sort_values(_COLUMN[loss], ascending=False, kind="stable")
        for row in ordered.head(len(own) if most is None else most).to_dict("records"):
            if isinstance(row["reason"], str) and np.isnan(row["bits"]):
                reasons[len(rows), "Δbits"] = row["reason"]
            name = row["part"] if one else f"{plain(str(model))} {row['part']}"
            rows.append((name, *(row[column] for column in _OF_PARTS)))
    part = Part.of(_PARTS, rows)
    return Table(
        key="lesion_effects",
        title="What each part is needed for",
        parts=(Part(part.frame, part.columns, reasons=reasons),),
        notes=(
            "Δbits: by how much bits per byte rise without the part; KL: of the predictions "
            "without it from the intact model's, nats a token. Means over prompts, with the "
            "95 % interval of Δbits; P is of flipped signs of Δbits, adjusted over the parts of a "
            "kind that were taken out (max-T).",
        ),
    )


_SPECIFIC = (
    Column("Model"), Column("Part"), Column("Task"), Column("By"),
    Column("Mean", "number", digits=3), Column("Chosen_g", "number", decimals=2),
    Column("G", "number", decimals=2), Column("Low_95", "number", decimals=2),
    Column("High_95", "number", decimals=2), Column("P", "number", digits=2),
)  # fmt: skip
_OF_SPECIFIC = ("mean", "chosen_g", "g", "low", "high", "p_bh")


def lesion_specific_table(analysis: Analysis) -> Table:
    """Return the parts that are needed for one task more than for others."""
    table = analysis.table("lesion_specific")
    rows = []
    for effect in EFFECTS:
        for row in specific(table, effect).to_dict("records"):
            by = {"surprisal": "Δbits", "kl": "KL"}[effect]
            first = (plain(str(row["model"])), row["part"], task_title(row["task"]), by)
            rows.append((*first, *(row[name] for name in _OF_SPECIFIC)))
    return Table(
        key="lesion_specific",
        title="Parts needed for one task more than for others",
        parts=(Part.of(_SPECIFIC, rows),),
        notes=(
            "Hedges g of the part's effect on the task's prompts against all others, on the half "
            "of the prompts on which it was not chosen; Chosen_g on the other half. At equal "
            "lengths where tasks can be compared so. P is adjusted over all that were chosen "
            "(Benjamini and Hochberg); parts with P above 0.05 are left out.",
        ),
    )


_MEASURES = (
    Column("Model"), Column("Parts"), Column("Effect"), Column("Metric", wraps=True),
    Column("Rho", "number", decimals=2), Column("Low_95", "number", decimals=2),
    Column("High_95", "number", decimals=2), Column("Beside_depth", "number", decimals=2),
    Column("P", "number", digits=2), Column("N", "integer"),
)  # fmt: skip
_OF_MEASURES = ("rho", "low", "high", "beside_depth", "p_max_t", "parts")
_EFFECT = {"surprisal": "Δbits", "kl": "KL", "estimate": "Estimate"}


def lesion_measures_table(analysis: Analysis) -> Table:
    """Return which metrics predict what parts are needed for, the strongest of each first."""
    labels = Labels(analysis.measured.specs)
    table = analysis.table("lesion_measures")
    rows: list[tuple[object, ...]] = []
    reasons: dict[tuple[int, str], str] = {}
    keys = ["model", "kind", "effect"]
    for (model, kind, effect), own in table.groupby(keys, sort=False) if len(table) else ():
        size = own["rho"].abs().where(own["metric"] != DEPTH, np.inf)
        for row in own.loc[size.sort_values(ascending=False).index].to_dict("records"):
            depth = row["metric"] == DEPTH
            name = "Layer number (to beat)" if depth else labels.title(str(row["metric"]))
            if isinstance(row["reason"], str) and np.isnan(row["rho"]):
                reasons[len(rows), "Rho"] = row["reason"]
            first = (plain(str(model)), kind, _EFFECT[str(effect)], name)
            rows.append((*first, *(row[column] for column in _OF_MEASURES)))
    part = Part.of(_MEASURES, rows)
    return Table(
        key="lesion_measures",
        title="Which measure predicts need?",
        parts=(Part(part.frame, part.columns, reasons=reasons),),
        notes=(
            "Spearman's correlation, over N parts, of a metric's mean over prompts with the mean "
            "effect of taking the part out; its interval is over prompts, so it says nothing of "
            "other models. P is of shuffled parts, adjusted over the metrics (max-T); neighbouring "
            "layers are alike, so that it is too small rather than too large. Beside_depth: what "
            "is left where the layer's number is taken out of both.",
        ),
    )
