"""Table 6: the ten highest or lowest combinations of model and task, by metric."""

from __future__ import annotations

from typing import NamedTuple

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._table import Part, Table
from cortexscope.report.tables._columns import TOKENS, complete_frame, gaps, numbers, texts

__all__ = ["build"]

_COUNT = 10


class _List(NamedTuple):
    title: str
    column: str
    lowest: bool = False


_LISTS = (
    _List("by Final Activation", "Final_Activation"),
    _List("by Attention Entropy", "Attention_Entropy"),
    _List("by Lowest Sparsity (Highest Density)", "Max_Sparsity", lowest=True),
    _List("by Attention Entropy Per Row", "Attention_Entropy_Per_Row"),
    _List("by Normalized Attention Entropy", "Attention_Entropy_Normalized"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return Table 6 of the study: its three lists, then two by the fair entropies."""
    cells = complete_frame(frames)
    parts = []
    for title, column, lowest in _LISTS:
        columns = (*texts("Model", "Category"), *numbers(column, TOKENS))
        known = cells[cells[column].notna()]
        ranked = known.sort_values(column, ascending=lowest, kind="stable").head(_COUNT)
        frame = ranked[[c.name for c in columns]].reset_index(drop=True)
        parts.append(Part(frame, columns, title=f"Top {_COUNT} {title}"))
    return Table(
        key="top",
        number=6,
        title="Top performers by metric",
        notes=(
            "The first three lists are the study's. Among equals the order is that of Table 1. "
            "High or low is no judgement: none of these metrics says how well a task is solved.",
            *gaps(frames),
        ),
        parts=tuple(parts),
    )
