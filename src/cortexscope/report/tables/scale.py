"""Table 5: the sizes of models, smallest first."""

from __future__ import annotations

from cortexscope.document import Column, Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.tables._columns import (
    FAIR,
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
    """Return Table 5 of the study, in the order of the number of parameters."""
    columns = (
        *texts("Parameters"),
        *numbers(*STUDY),
        Column("Num_Models", "integer"),
        *numbers(*FAIR, TOKENS),
    )
    rows = complete_frame(frames).groupby("Parameters", sort=False)
    frame = rows[list(VALUES)].mean().join(rows["Model"].nunique().rename("Num_Models"))
    frame = frame.join(rows["count"].min()).sort_values("count", kind="stable").reset_index()
    return Table(
        key="scale",
        title="Parameter scale analysis",
        notes=(
            "Smallest model first; the study's own table is in the alphabetical order of the "
            "numbers' text (1.4B before 109.5M).",
            *gaps(frames),
        ),
        parts=(Part(frame[[column.name for column in columns]], columns),),
    )
