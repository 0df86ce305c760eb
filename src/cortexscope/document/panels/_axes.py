"""Axes that several kinds of panel share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.document.drawing._text import for_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["inches_of_axes", "plain_axes"]


def plain_axes(axes: Axes, x_title: str, y_title: str) -> None:
    """Give axes of matplotlib their titles and a faint grid."""
    axes.set_xlabel(for_matplotlib(x_title))
    axes.set_ylabel(for_matplotlib(y_title, 48))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def inches_of_axes(
    columns: int, rows: int, *, height: float, names: int = 0
) -> tuple[float, float]:
    """Return the size of a figure of plain axes, `names` lines of a legend below each."""
    return max(6.4, 4.9 * columns), 0.9 + height * rows + 0.2 * names
