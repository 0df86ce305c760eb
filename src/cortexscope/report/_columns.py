"""What the report finds in columns of the user's own, as it does in tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis import column_names, told_of_groups, told_of_number, verdict_of
from cortexscope.errors import UsageError
from cortexscope.metrics import HEADLINE
from cortexscope.report._answer import RANK, Answer
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis import Analysis

__all__ = ["column_table", "of_column", "of_columns"]

_MOST = 3
"""Columns whose findings stand among the report's first."""


def column_table(found: Analysis) -> pd.DataFrame:
    """Return the effects or slopes of a column on the headline metrics."""
    if found.groups.kind == "number":
        table = found.table("slopes")
    else:
        table = found.table("effects")
        table = table[table["factor"] == "task"]
    return table[table["metric"].isin(HEADLINE)]


def of_columns(frames: RunFrames, labels: Labels) -> Iterator[Answer]:
    """Yield what the first columns do to the headline metrics."""
    for place, name in enumerate(column_names(frames.measured)[:_MOST]):
        try:
            found = frames.analysis.by_column(f"attributes.{name}")
        except UsageError:
            continue  # of too many groups, which its section says
        main = "slopes" if found.groups.kind == "number" else "effects"
        if found.missing(main) is None:
            yield from of_column(found, labels, place)


def of_column(found: Analysis, labels: Labels, place: int) -> list[Answer]:
    """Return a finding a metric, the clearest first: of all models together, if there are several.

    Args:
        found: the statistics by the column.
        labels: for titles of metrics.
        place: of the column among all, from 0.
    """
    number = found.groups.kind == "number"
    told = told_of_number if number else told_of_groups
    answers = []
    for metric, own in column_table(found).groupby("metric", sort=False):
        scope = own["scope"].iloc[-1]
        rows: Mapping[str, Mapping[Any, Any]] = {
            str(row["form"]): row for row in own[own["scope"] == scope].to_dict("records")
        }
        raw, equal = rows["raw"], rows["adjusted"]
        shown = raw if np.isnan(equal["p_max_t"]) else equal
        value = "rho" if number else "omega_squared_partial"
        ends = [float(shown[name]) for name in ("low", "high")]
        least = 0.0 if np.isnan(ends[0]) or ends[0] * ends[1] < 0 else min(map(abs, ends))
        answers.append(
            Answer(
                f"column {found.groups.column}",
                str(metric),
                verdict_of(raw["p_max_t"], equal["p_max_t"]),
                least**2 if number else least,
                f"{labels.title(str(metric))}: {told(found.groups, rows).rstrip('.')} "
                f"({plain(str(scope))}, n = {raw['n']:.0f} prompts).",
                f"table-column_{place + 1}",
                float("nan") if number or shown is raw else float(shown[value]),
                ends[0],
                ends[1],
            )
        )
    return sorted(answers, key=lambda own: (RANK[own.verdict], -own.size))
