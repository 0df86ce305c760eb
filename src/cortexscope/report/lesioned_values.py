"""What becomes of a metric without parts of a model: findings and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis import CHANCE, Analysis
from cortexscope.document import Column, Part, Table
from cortexscope.report._labels import Labels, plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["lesion_values_findings", "lesion_values_table"]

_MOST = 3
"""How many parts are named in a sentence."""


def lesion_values_findings(analysis: Analysis, metric: str) -> tuple[str, ...]:
    """Return what taking parts out does to a metric, in a sentence a model and kind of part."""
    values = analysis.table("lesion_values")
    own = values[values["metric"] == metric] if len(values) else values
    return tuple(
        _changed(plain(str(model)), str(kind), rows[rows["task"].isna()], metric)
        for (model, kind), rows in (own.groupby(["model", "kind"], sort=False) if len(own) else ())
    )


def _changed(of: str, kind: str, own: pd.DataFrame, metric: str) -> str:
    known = own[own["change"].notna()]
    if known.empty:
        return f"{of}: {kind} are not judged by {metric}: {own['reason'].iloc[0]}."
    order = known["change"].abs().sort_values(ascending=False, kind="stable").index
    clear = int((known["p_max_t"] <= CHANCE).sum())
    most = ", ".join(
        f"{row['part']} ({row['change']:+.3g}{_ends(row)})"
        for row in known.loc[order].head(_MOST).to_dict("records")
    )
    return (
        f"{of}: without one of {len(known)} {kind}, {metric} changes in {clear} cases "
        f"(max-T, 5 %), most without {most}, n = {int(known['prompts'].max())} prompts."
    )


def _ends(row: dict[Any, Any]) -> str:
    low, high = row["change_low"], row["change_high"]
    return "" if np.isnan(low) else f" [{low:+.3g}, {high:+.3g}]"


_VALUES = (
    Column("Part"), Column("Metric", wraps=True), Column("Intact", "number", digits=4),
    Column("Change", "number", digits=3), Column("Low_95", "number", digits=3),
    Column("High_95", "number", digits=3), Column("P", "number", digits=2),
    Column("Prompts", "integer"),
)  # fmt: skip
_OF_VALUES = ("base", "change", "change_low", "change_high", "p_max_t", "prompts")


def lesion_values_table(
    analysis: Analysis, *, metric: str | None = None, most: int | None = None
) -> Table:
    """Return by how much metrics change without each part, the largest change of a kind first.

    Args:
        analysis: of the run.
        metric: only this one; all that were measured where None.
        most: so many parts of each kind; all where None.
    """
    labels = Labels(analysis.measured.specs)
    table = analysis.table("lesion_values")
    whole = table[table["task"].isna()] if len(table) else table
    one = len(analysis.measured.labels) == 1
    rows: list[tuple[object, ...]] = []
    reasons: dict[tuple[int, str], str] = {}
    keys = ["model", "metric", "kind"]
    for (model, name, _), own in whole.groupby(keys, sort=False) if len(whole) else ():
        if metric not in (None, name):
            continue
        order = own["change"].abs().sort_values(ascending=False, kind="stable").index
        for row in own.loc[order].head(len(own) if most is None else most).to_dict("records"):
            if isinstance(row["reason"], str):
                reasons[len(rows), "Change"] = row["reason"]
            part = row["part"] if one else f"{plain(str(model))} {row['part']}"
            rows.append((part, labels.title(str(name)), *(row[column] for column in _OF_VALUES)))
    made = Part.of(_VALUES, rows)
    return Table(
        key="lesion_values",
        title="What becomes of metrics without each part",
        parts=(Part(made.frame, made.columns, reasons=reasons),),
        notes=(
            "Change: by how much a prompt's value rises without the part, over those layers and "
            "heads that have a value with it and without it; means over prompts with the 95 % "
            "interval. P is of flipped signs, adjusted over the parts of a kind that were taken "
            "out (max-T).",
        ),
    )
