"""Table 8: what the task does to each metric, raw and with length controlled, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.document import UNDEFINED, Column, Part, Table
from cortexscope.metrics import HEADLINE
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, task_title
from cortexscope.report.tables._columns import texts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_FORMS = ("raw", "adjusted", "matched")
_COLUMNS = (
    *texts("Model"),
    *(
        Column(name, "number", 4)
        for form in ("Raw", "Adjusted", "Matched")
        for name in (
            f"Omega_Squared_{form}",
            *(["Partial_Omega_Squared_Adjusted"] if form == "Adjusted" else []),
            f"P_{form}",
        )
    ),
    *texts("Highest_Raw", "Holds_Raw", "Holds_Adjusted"),
    Column("Prompts", "integer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return omega squared and p of the task, by metric and model, raw, adjusted and matched."""
    import pandas as pd

    from cortexscope.analysis import STANDARDISED

    found, settings = frames.analysis.table("effects"), frames.analysis.settings
    rows: list[dict[str, Any]] = []
    reasons: Counter[str] = Counter()
    cells: dict[tuple[int, str], str] = {}
    if len(found):
        found = found[(found["factor"] == "task") & found["metric"].isin(HEADLINE)]
        leaders = frames.analysis.table("leaders")
        for (metric, scope), own in found.groupby(["metric", "scope"], sort=False):
            top = leaders
            if len(leaders):
                top = leaders[(leaders["metric"] == metric) & (leaders["scope"] == scope)]
            cells |= {(len(rows), column): why for column, why in _reasons(own)}
            rows.append({"Metric": metric, "Model": scope, **_numbers(own), **_leader(top)})
        reasons = Counter(str(why).rstrip(".") for why in found["reason"].dropna())
    columns = (Column("Metric", titles=labels.titles(HEADLINE)), *_COLUMNS)
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table(
        key="task_effects",
        title="What the task does, raw and with length controlled",
        notes=(
            "Omega_Squared is the share of all variance over prompts that the task explains, less "
            "what chance would; around 0 where it does nothing. Adjusted, this is what the task "
            "adds to length (semi-partial); Partial_Omega_Squared_Adjusted is the task's share of "
            "what length leaves, large also where length leaves next to nothing. P is by "
            f"permutation of prompts over tasks, at least {1 / (settings.permutations + 1):.4f}. "
            f"The row {STANDARDISED} is of the prompts' means over models, each model's values in "
            "its own standard deviations, so that all weigh the same. Raw holds what the tasks' "
            "lengths do. Adjusted has a natural spline in log tokens fitted beside the tasks, and "
            "exchanges prompts within bins of about equal length (Freedman and Lane). Matched is "
            "raw, on the largest part of the prompts in which tasks do not differ in length. "
            "Highest_Raw is the task with the highest mean, and no finding where it is open: it "
            "holds where the whole 95 % interval of its distance to the best "
            f"other task lies above 0. Seed {settings.seed}, {settings.permutations} "
            "permutations, as in the tables of `cortexscope stats`, which have all metrics, pairs "
            "of tasks and more.",
            *(f"Undefined, {count} times: {why}." for why, count in reasons.items()),
        ),
        parts=(Part(frame, columns, reasons=cells),),
    )


def _numbers(own: pd.DataFrame) -> dict[str, Any]:
    forms = own.set_index("form")
    cells: dict[str, Any] = {"Prompts": int(forms["n"].max())}
    for form in _FORMS:
        cells[f"Omega_Squared_{form.title()}"] = forms["omega_squared"].get(form)
        cells[f"P_{form.title()}"] = forms["p"].get(form)
    cells["Partial_Omega_Squared_Adjusted"] = forms["omega_squared_partial"].get("adjusted")
    return cells


def _reasons(own: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for row in own.dropna(subset="reason").to_dict("records"):
        for name in ("Omega_Squared", "Partial_Omega_Squared", "P"):
            column = f"{name}_{str(row['form']).title()}"
            if any(column == known.name for known in _COLUMNS):
                yield column, str(row["reason"]).rstrip(".")


def _leader(top: pd.DataFrame) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    words = {True: "yes", False: "no, another is higher"}
    for row in top.to_dict("records"):
        cells["Highest_Raw"] = task_title(row["task"])
        unknown = row["low"] is None or np.isnan(row["low"])
        cells[f"Holds_{row['form'].title()}"] = (
            UNDEFINED if unknown else words.get(row["holds"], "open")
        )
    return cells
