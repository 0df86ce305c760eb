"""Table 3: every task, mean and standard deviation over the models."""

from __future__ import annotations

from cortexscope.document import Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.tables._columns import (
    FAIR,
    STUDY,
    TOKENS,
    complete_frame,
    gaps,
    numbers,
    texts,
)

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return Table 3 of the study, tasks in alphabetical order."""
    names = [f"{name}_{part}" for name in (*STUDY, *FAIR) for part in ("mean", "std")]
    columns = (*texts("Category"), *numbers(*names, TOKENS))
    rows = complete_frame(frames).groupby("Category", sort=True)
    mean, sd = rows[[*STUDY, *FAIR, TOKENS]].mean(), rows[[*STUDY, *FAIR]].std(ddof=1)
    frame = mean.add_suffix("_mean").join(sd.add_suffix("_std"))
    frame = frame.rename(columns={f"{TOKENS}_mean": TOKENS}).reset_index()
    notes = [
        "Mean and standard deviation (divisor n - 1) over the models of Table 1; "
        "Mean_Tokens is the mean over the models too."
    ]
    if len(frames.labels) == 1:
        notes.append("One model has no standard deviation.")
    return Table(
        key="categories",
        title="Category performance across models",
        notes=(*notes, *gaps(frames)),
        parts=(Part(frame[[column.name for column in columns]], columns, index=True),),
    )
