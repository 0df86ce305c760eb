"""Draw nothing: a figure as its numbers, for tests, for readers of screens, and for machines."""

from __future__ import annotations

from cortexscope.document._figure import Figure
from cortexscope.document._table import Table

__all__ = ["draw"]


def draw(figure: Figure) -> Table:
    """Return a table with a part for each panel: all that a drawing shows."""
    return Table(
        key=figure.key,
        title=figure.title,
        parts=tuple(panel.numbers() for panel in figure.panels),
        notes=(figure.caption, *figure.notes),
    )
