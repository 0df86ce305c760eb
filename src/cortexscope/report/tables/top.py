"""Table 6: the ten highest or lowest combinations of model and task, by metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cortexscope.document import Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.tables._columns import TOKENS, complete_frame, gaps, numbers, texts

__all__ = ["Top", "build"]


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


_NOTES = (
    "The first three lists are the study's. Among equals the order is that of Table 1. "
    "High or low is no judgement: none of these metrics says how well a task is solved."
)


@dataclass(frozen=True, slots=True)
class Top:
    """Table 6 of the study: its three lists, then two by the fair entropies."""

    count: int = 10
    """Rows of a list."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Table:
        """Return the table of a run."""
        cells = complete_frame(frames)
        parts = []
        for title, column, lowest in _LISTS:
            columns = (*texts("Model", "Category"), *numbers(column, TOKENS))
            known = cells[cells[column].notna()]
            ranked = known.sort_values(column, ascending=lowest, kind="stable").head(self.count)
            frame = ranked[[c.name for c in columns]].reset_index(drop=True)
            parts.append(Part(frame, columns, title=f"Top {self.count} {title}"))
        return Table(
            key="top",
            title="Top performers by metric",
            notes=(_NOTES, *gaps(frames)),
            parts=tuple(parts),
        )


build = Top()
