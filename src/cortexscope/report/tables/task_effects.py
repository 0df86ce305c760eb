"""Table 8: what the task does to each metric, raw and with length controlled, side by side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, task_title
from cortexscope.report._table import UNDEFINED, Column, Part, Table
from cortexscope.report.tables._columns import FAIR, STUDY, texts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_FORMS = ("raw", "adjusted", "matched")
_COLUMNS = (
    *texts("Metric", "Model"),
    *(
        Column(f"{name}_{form.title()}", "number", decimals)
        for form in _FORMS
        for name, decimals in (("Omega_Squared", 3), ("P", 4))
    ),
    *texts("Highest_Raw", "Holds_Raw", "Holds_Adjusted"),
    Column("Prompts", "integer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return omega squared and p of the task, by metric and model, raw, adjusted and matched."""
    import pandas as pd

    from cortexscope.analysis import effects, leaders

    wanted = [name for name in (*STUDY.values(), *FAIR.values()) if name in frames.metrics]
    values = frames.values[frames.values["metric"].isin(wanted)].assign(kind="original")
    values = values.assign(cluster=values["prompt_id"]).dropna(subset=["n_tokens"])
    rows: list[dict[str, Any]] = []
    reasons: Counter[str] = Counter()
    if len(values):
        # A seed of its own, so that a report is the same each time it is made.
        found = effects(values, rng=np.random.default_rng(0))
        found = found[found["factor"] == "task"]
        first = leaders(values, rng=np.random.default_rng(0))
        for (metric, scope), own in found.groupby(["metric", "scope"], sort=False):
            top = first[(first["metric"] == metric) & (first["scope"] == scope)]
            rows.append({"Metric": metric, "Model": scope, **_numbers(own), **_leader(top)})
        reasons = Counter(str(why).rstrip(".") for why in found["reason"].dropna())
    frame = pd.DataFrame(rows, columns=[column.name for column in _COLUMNS])
    return Table(
        key="task_effects",
        number=8,
        title="What the task does, raw and with length controlled",
        notes=(
            "Omega_Squared is the share of the variance over prompts that the task explains, less "
            "what chance would; around 0 where it does nothing. P is by permutation of prompts "
            "over tasks and never 0. Raw holds what the tasks' lengths do. Adjusted has a natural "
            "spline in log tokens fitted beside the tasks, and exchanges prompts within bins of "
            "about equal length (Freedman and Lane). Matched is raw, on the largest part of the "
            "prompts in which tasks do not differ in length. Highest_Raw is the task with the "
            "highest mean; it holds where the whole 95 % interval of its distance to the best "
            "other task lies above 0. `cortexscope stats` has all metrics, contrasts and more.",
            *(f"Undefined, {count} times: {why}." for why, count in reasons.items()),
        ),
        parts=(Part(frame, _COLUMNS),),
    )


def _numbers(own: pd.DataFrame) -> dict[str, Any]:
    forms = own.set_index("form")
    cells: dict[str, Any] = {"Prompts": int(forms["n"].max())}
    for form in _FORMS:
        cells[f"Omega_Squared_{form.title()}"] = forms["omega_squared"].get(form)
        cells[f"P_{form.title()}"] = forms["p"].get(form)
    return cells


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
