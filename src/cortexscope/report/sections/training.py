"""What happens over a training: which metrics change, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Column, Fold, Part, Prose, Section, Table
from cortexscope.report._labels import Labels, plain
from cortexscope.report._shown import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_TOLD = (
    "A step is one that was measured: what happens between two checkpoints is not known. That a "
    "metric is not told from its last value depends on how many prompts there are; on more it may "
    "be told later."
)
_COLUMNS = (
    Column("Training", wraps=True), Column("Metric", wraps=True),
    Column("First", "number", digits=4), Column("Last", "number", digits=4),
    Column("Change", "number", digits=3), Column("Low_95", "number", digits=3),
    Column("High_95", "number", digits=3), Column("P", "number", digits=2),
    Column("Half_by", "integer"), Column("Half_low", "integer"), Column("Half_high", "integer"),
    Column("Settled", "integer"),
)  # fmt: skip
_NAMES = (
    *("first", "last", "change", "change_low", "change_high", "p_bh"),
    *("half_step", "half_low", "half_high", "settled_step"),
)
_MOST = 3


def build(shown: Shown) -> Section | None:
    """Return the findings, the courses and when each metric changes; None without a training."""
    from cortexscope.analysis import Analysis, trainings_of

    if not trainings_of(shown.frames.measured):
        return None
    table = Analysis(shown.frames.measured).table("training_changes")
    if table.empty:
        return None
    said = [
        sentence
        for training, own in table.groupby("training", sort=False)
        for sentence in _findings(str(training), own, shown.labels)
    ]
    return Section(
        "training",
        "Over training",
        (
            Prose(tuple(said), "list"),
            Prose((_TOLD,)),
            *shown.figures_named("training"),
            Fold("When each metric changes", (_table(table, shown.labels),)),
        ),
        short="Training",
    )


def _findings(training: str, own: pd.DataFrame, labels: Labels) -> list[str]:
    moved = own[own["half_step"].notna()].sort_values("half_step", kind="stable")
    ends = f"from step {own['first_step'].iloc[0]:,} to {own['last_step'].iloc[0]:,}"
    said = [
        f"{plain(training)}, {ends}: {len(moved)} of {len(own)} metrics change (Benjamini and "
        "Hochberg, 5 %)."
    ]
    if moved.empty:
        return said
    for step, rows in moved.groupby("half_step"):
        names = [_title(str(name), labels) for name in rows["metric"]]
        more = len(names) - _MOST
        listed = ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")
        after = int(rows["half_after"].iloc[0])
        said.append(
            f"Half of the way between steps {after:,} and {int(float(str(step))):,}: {listed}."
        )
    known = moved[moved["settled_step"].notna()]
    late = len(moved) - len(known)
    if late:
        said.append(f"{late} of these still differ from the last checkpoint at the one before it.")
    return said


def _title(metric: str, labels: Labels) -> str:
    from cortexscope.analysis import DIVERGENCE

    return "KL divergence from the baseline" if metric == DIVERGENCE else labels.title(metric)


def _table(table: pd.DataFrame, labels: Labels) -> Table:
    found = table.sort_values("half_step", kind="stable").to_dict("records")
    rows = [
        (
            plain(str(row["training"])),
            _title(str(row["metric"]), labels),
            *(None if row[name] != row[name] else row[name] for name in _NAMES),
        )
        for row in found
    ]
    reasons: dict[tuple[int, str], str] = {}
    for number, row in enumerate(found):
        if np.isnan(row["half_step"]):
            reasons |= {
                (number, f"Half_{own}"): row["half_reason"] for own in ("by", "low", "high")
            }
        if np.isnan(row["settled_step"]):
            reasons[number, "Settled"] = row["settled_reason"]
    part = Part.of(_COLUMNS, rows)
    return Table(
        key="training_changes",
        title="When each metric changes",
        parts=(Part(part.frame, part.columns, reasons=reasons),),
        notes=(
            "Change is the last checkpoint's mean less the first one's on the same prompts; P is "
            "of flipped signs, adjusted over metrics (Benjamini and Hochberg). Half_by: the first "
            "measured step at which half of the way is done, and the range of steps in the middle "
            "95 % of resamples of the prompts. Settled: the first measured step from which on no "
            "checkpoint is told from the last. All checkpoints and tasks are in "
            "stats/training_course.csv, which `cortexscope stats` writes.",
        ),
    )
