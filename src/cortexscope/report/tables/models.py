"""Table 2: every model, the mean over its tasks."""

from __future__ import annotations

from cortexscope.document import Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.tables._columns import (
    FAIR,
    INPUTS,
    STUDY,
    TOKENS,
    VALUES,
    complete_frame,
    gaps,
    numbers,
    texts,
)

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return Table 2 of the study, models in alphabetical order."""
    columns = (
        *texts("Model", "Architecture", "Parameters"),
        *numbers(*STUDY),
        INPUTS,
        *numbers(*FAIR, TOKENS),
    )
    rows = complete_frame(frames).groupby("Model", sort=True)
    frame = rows[["Architecture", "Parameters"]].first()
    frame = frame.join(rows[list(VALUES)].mean()).join(rows[INPUTS.name].sum()).reset_index()
    return Table(
        key="models",
        title="Model summary",
        notes=("A value is the mean over the tasks of Table 1.", *gaps(frames)),
        parts=(Part(frame[[column.name for column in columns]], columns),),
    )
