"""Many values in a grid, too many to be written into their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._text import TICK, as_list, for_matplotlib, for_plotly
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Raster"]


@dataclass(frozen=True, slots=True, eq=False)
class Raster(Panel):
    """Many values in a grid, on one scale from 0, too many to be written into their cells."""

    legend: ClassVar[bool] = False

    title: str
    x_title: str
    """Columns count from 0."""
    y_title: str
    value_title: str
    first_row: int
    """The number of the row at the top; the others count on."""
    values: NDArray[np.float64]
    """[row, column], none below 0; NaN where undefined, which is left blank."""
    row_names: tuple[str, ...] = ()
    """What rows are called, from the top; they are numbered where empty."""

    @property
    def height(self) -> float:
        """How tall the grid is, from 1 to 4, in panels of lines."""
        return min(4.0, max(0.35 if self.row_names else 1.0, len(self.values) / 16))

    @property
    def largest(self) -> float:
        """The upper end of the scale."""
        known = self.values[np.isfinite(self.values)]
        return float(known.max(initial=0.0)) or 1.0

    def inches(self, panels: Sequence[Raster], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the tallest grid needs."""
        tallest = max(panel.height for panel in panels)
        return max(7.0, 4.6 * columns), 0.5 + rows * (0.9 + 1.6 * tallest)

    @property
    def title_width(self) -> tuple[int, int]:
        """A grid of its own is as wide as the figure."""
        return 90, 40

    @property
    def pixels(self) -> int:
        """The height of the grid."""
        return round(190 * self.height)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the grid and its scale."""
        from matplotlib.ticker import MaxNLocator

        rows, columns = self.values.shape
        last = self.first_row + rows - 1
        image = axes.imshow(
            self.values,
            cmap="cividis",
            aspect="auto",
            interpolation="nearest",
            vmin=0,
            vmax=self.largest,
            extent=(-0.5, columns - 0.5, last + 0.5, self.first_row - 0.5),
        )
        for axis, title in ((axes.xaxis, self.x_title), (axes.yaxis, self.y_title)):
            axis.set_major_locator(MaxNLocator(integer=True, nbins=9))
            axis.set_label_text(for_matplotlib(title))
        if self.row_names:
            places = range(self.first_row, last + 1)
            axes.set_yticks(places, [for_matplotlib(name, TICK) for name in self.row_names])
            axes.set_ylabel("")
        # Lines as long as the scale is tall.
        title = for_matplotlib(self.value_title, 24 if self.height < 1 else 48)
        title = fill(title, int(24 * max(1.0, self.height)))
        bar = axes.figure.colorbar(image, ax=axes, pad=0.02, label=title)
        bar.outline.set_visible(False)

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the grid; its scale stands beside it."""
        where = {"row": place.row, "col": place.column}
        low, high = place.domain
        x_title, y_title = for_plotly(self.x_title), for_plotly(self.y_title)
        canvas.add_trace(
            heat_map(
                z=[as_list(row) for row in self.values],
                y0=self.first_row,
                colorscale="Cividis",
                zmin=0,
                zmax=self.largest,
                hovertemplate=(
                    f"{y_title} %{{y}}, {x_title.lower()} %{{x}}: %{{z:.4g}}<extra></extra>"
                ),
                hoverongaps=False,
                colorbar={
                    "y": (low + high) / 2,
                    "len": high - low,
                    "thickness": 12,
                    "outlinewidth": 0,
                },
            ),
            **where,
        )
        rows_apart, columns_apart = (max(1, round(size / 8)) for size in self.values.shape)
        canvas.update_xaxes(title_text=x_title, dtick=columns_apart, showgrid=False, **where)
        named = {
            "tickvals": list(range(self.first_row, self.first_row + len(self.values))),
            "ticktext": [for_plotly(name, TICK) for name in self.row_names],
        }
        rows = named if self.row_names else {"title_text": y_title, "dtick": rows_apart}
        canvas.update_yaxes(autorange="reversed", showgrid=False, **rows, **where)

    def numbers(self) -> Part:
        """Return the cells, row by row."""
        columns = (Column("row", "integer"), Column("column", "integer"), Column("value", "number"))
        rows = [
            (self.first_row + row, column, value)
            for (row, column), value in np.ndenumerate(self.values)
        ]
        return Part.of(columns, rows, self.title)
