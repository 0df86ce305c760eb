"""Table 1: every model and task, the mean over its prompts."""

from __future__ import annotations

from cortexscope.document import Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.tables._columns import COMPLETE, complete_frame, gaps, reasons

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return Table 1 of the study: its columns, then the fair metrics and the mean length."""
    frame = complete_frame(frames).drop(columns="count")
    return Table(
        key="complete",
        title="Complete analysis results",
        notes=(
            "A value is the mean over the prompts of one task; the columns up to Inputs_Analyzed "
            "are the study's.",
            *gaps(frames),
        ),
        parts=(Part(frame, COMPLETE, reasons=reasons(frames, frame)),),
    )
