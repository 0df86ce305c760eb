"""Axes that several kinds of panel share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.document.drawing._text import for_matplotlib, unlike
from cortexscope.document.panels._panel import Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["above_0", "inches_of_axes", "plain_axes", "rows_by_matplotlib", "rows_by_plotly"]


def plain_axes(axes: Axes, x_title: str, y_title: str) -> None:
    """Give axes of matplotlib their titles and a faint grid."""
    axes.set_xlabel(for_matplotlib(x_title))
    axes.set_ylabel(for_matplotlib(y_title, 48))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def above_0(
    edges: NDArray[np.float64], shown: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the edges of intervals as a logarithmic axis has a place for them.

    Args:
        edges: of any shape; those of 0 or less become the least above 0 that is shown, NaN stays.
        shown: all that the axis shows.
    """
    least = min(float(own[own > 0].min(initial=np.inf)) for own in shown)
    return np.where(edges <= 0, least, edges)


def inches_of_axes(
    columns: int, rows: int, *, height: float, names: int = 0
) -> tuple[float, float]:
    """Return the size of a figure of plain axes, `names` lines of a legend below each."""
    return max(6.4, 4.9 * columns), 0.9 + height * rows + 0.2 * names


def rows_by_matplotlib(axes: Axes, rows: Sequence[str], letters: int, *, named: bool) -> None:
    """Give axes of matplotlib a row a name, from the top; without the names where not `named`."""
    names = [for_matplotlib(row, letters) if named else "" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)


def rows_by_plotly(canvas: Any, place: Place, rows: Sequence[str], letters: int) -> None:  # noqa: ANN401
    """Give a panel of plotly a row a name, from the top; named where nothing stands to its left."""
    canvas.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=unlike(rows, letters) if place.first else [""] * len(rows),
        range=[len(rows) - 0.5, -0.5],
        zeroline=False,
        row=place.row,
        col=place.column,
    )
