"""Table 4: the kinds of architecture, the mean over their models and tasks."""

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
    """Return Table 4 of the study."""
    columns = (
        *texts("Architecture"),
        *numbers(*STUDY),
        INPUTS,
        *numbers(*FAIR, TOKENS),
    )
    rows = complete_frame(frames).groupby("Architecture", sort=True)
    frame = rows[list(VALUES)].mean().join(rows[INPUTS.name].sum()).reset_index()
    counts = frames.models["stack_kind"].value_counts().sort_index()
    held = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    return Table(
        key="architectures",
        title="Architecture comparison",
        notes=(
            "A value is the mean over all models and tasks of that kind in Table 1. "
            f"Number of models: {held}; a kind with one model says nothing about the kind.",
            *gaps(frames),
        ),
        parts=(Part(frame[[column.name for column in columns]], columns),),
    )
