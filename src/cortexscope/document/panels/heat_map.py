"""Values in a grid, written into its cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import UNDEFINED, Column, Part
from cortexscope.document.drawing._look import decimals_for
from cortexscope.document.drawing._text import (
    LABEL,
    TICK,
    as_list,
    for_matplotlib,
    for_plotly,
    points,
    unlike,
)
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HeatMap"]

_BRIGHT = 0.47
"""A shade beyond which black is read more easily than white: 4.5 to 1 or better, on either side."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap(Panel):
    """Values in a grid, written into its cells; a colour compares the rows of one column.

    With `farthest` it compares all cells, and those of other panels that have the same one.
    """

    legend: ClassVar[bool] = False
    shares_rows: ClassVar[bool] = True
    gap: ClassVar[int] = 150
    foot: ClassVar[int] = 56

    title: str
    rows: tuple[str, ...]
    """From the top."""
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    """[row, column]; NaN where undefined."""
    scale: tuple[str, str] = ("column's\nlowest", "column's\nhighest")
    """What the ends of the colours are."""
    farthest: float | None = None
    """How far from 0 the colours go to either side; None where each column has its own."""
    said: tuple[str, ...] = ()
    """What is said of each column below its name; nothing where empty."""

    def shades(self) -> NDArray[np.float64]:
        """Return how bright each cell is: 0 for the lowest of its column, 1 for the highest.

        Models differ far more than tasks do; on one scale for all, no task would be seen.
        """
        if self.farthest is not None:
            return np.asarray(0.5 + self.values / (2 * self.farthest or 1.0))
        shades = np.full(self.values.shape, np.nan)
        for column in range(self.values.shape[1]):
            values = self.values[:, column]
            known = values[np.isfinite(values)]
            if known.size:
                low, span = known.min(), np.ptp(known)
                shades[:, column] = (
                    (values - low) / span if span else np.where(values == low, 0.5, np.nan)
                )
        return shades

    def texts(self) -> list[list[str]]:
        """Return what is written into the cells, [row][column]."""
        known = np.abs(self.values[np.isfinite(self.values)])
        decimals = decimals_for(float(known.max())) if known.size else 0
        return [[self._text(value, decimals) for value in row] for row in self.values]

    def _text(self, value: float, decimals: int) -> str:
        if not math.isfinite(value):
            return UNDEFINED
        # A small negative number must not read as minus nothing; about 0 the sign is the point.
        text = (
            f"{np.round(value, decimals) + 0.0:{'' if self.farthest is None else '+'}.{decimals}f}"
        )
        return text if text.strip("+-0.") else text.lstrip("+-")

    def _headings(self) -> list[tuple[str, str]]:
        return list(zip(self.columns, self.said or ("",) * len(self.columns), strict=True))

    def inches(self, panels: Sequence[HeatMap], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that grids need."""
        longest = max(map(len, self.rows), default=0)
        width = 0.075 * longest + columns * max(2.4, 0.75 * len(self.columns) + 0.9)
        return width + 0.5, 0.4 + rows * (1.7 + 0.32 * len(self.rows))

    @property
    def title_width(self) -> tuple[int, int]:
        """Short where there are few columns."""
        return (30 if len(self.columns) < 4 else 90), 28

    @property
    def pixels(self) -> int:
        """The height of the rows."""
        return 30 * len(self.rows)

    @property
    def least_width(self) -> int:
        """As wide as the columns need."""
        return 220 + 34 * len(self.columns)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the grid, its texts, and the scale of its colours."""
        shades = self.shades()
        image = axes.imshow(shades, cmap="cividis", aspect="auto", vmin=0, vmax=1)
        axes.set_xticks(range(len(self.columns)))
        turned = len(self.columns) > 1 or max(map(len, self.columns)) > 12
        axes.set_xticklabels(
            [
                "\n".join(filter(None, (for_matplotlib(name, TICK), for_matplotlib(said, TICK))))
                for name, said in self._headings()
            ],
            rotation=35 if turned else 0,
            ha="right" if turned else "center",
            rotation_mode="anchor" if turned else "default",
        )
        axes.set_yticks(range(len(self.rows)))
        axes.set_yticklabels([for_matplotlib(row, LABEL) for row in self.rows] if first else [])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        texts = self.texts()
        for (row, column), value in np.ndenumerate(self.values):
            missing = not np.isfinite(value)
            bright = not missing and shades[row, column] > _BRIGHT
            axes.text(
                column,
                row,
                texts[row][column],
                ha="center",
                va="center",
                fontsize=points(8),
                color="black" if bright or missing else "white",
            )
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_ticks([0, 1], labels=list(self.scale))
        bar.ax.tick_params(labelsize=points(8), length=0)

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the grid and its texts."""
        where = {"row": place.row, "col": place.column}
        shades, texts = self.shades(), self.texts()
        shared = {
            "z": [as_list(row) for row in shades],
            "x": [
                f"{name}<br>{for_plotly(said)}" if said else name
                for name, (_, said) in zip(
                    unlike(self.columns, TICK), self._headings(), strict=True
                )
            ],
            "y": unlike(self.rows, 46),
            "texttemplate": "%{text}",
        }
        bright = shades > _BRIGHT
        dark, light = (
            [
                [text if own else "" for text, own in zip(line, here, strict=True)]
                for line, here in zip(texts, chosen, strict=True)
            ]
            for chosen in (~bright, bright)
        )
        canvas.add_trace(
            heat_map(
                **shared,
                customdata=[as_list(row) for row in self.values],
                text=dark,
                textfont={"color": "#ffffff"},
                coloraxis="coloraxis",
                hovertemplate="%{y}<br>%{x}<br>%{customdata:.5g}<extra></extra>",
                xgap=1,
                ygap=1,
            ),
            **where,
        )
        # One trace has one colour of text, and on bright cells none but black can be read.
        clear = "rgba(0,0,0,0)"
        canvas.add_trace(
            heat_map(
                **shared,
                text=light,
                textfont={"color": "#000000"},
                colorscale=[[0, clear], [1, clear]],
                showscale=False,
                hoverinfo="skip",
            ),
            **where,
        )
        # Of the layout, since a scale stands elsewhere on a narrow page; without a title, which
        # plotly at times puts onto the bar.
        canvas.update_layout(
            coloraxis={
                "colorscale": "Cividis",
                "cmin": 0,
                "cmax": 1,
                "colorbar": {
                    **{"orientation": "h", "len": 130, "lenmode": "pixels", "thickness": 10},
                    **{"x": 1, "xanchor": "right"},
                    **{"yref": "container", "y": 0, "yanchor": "bottom"},
                    **{"outlinewidth": 0, "tickvals": [0, 1]},
                    "ticktext": [end.replace("\n", "<br>") for end in self.scale],
                },
            }
        )
        canvas.update_xaxes(tickangle=-35, showgrid=False, **where)
        canvas.update_yaxes(autorange="reversed", showgrid=False, **where)

    def numbers(self) -> Part:
        """Return the cells, row by row."""
        columns = (Column("row"), Column("column"), Column("value", "number"))
        rows = [
            (self.rows[row], self.columns[column], value)
            for (row, column), value in np.ndenumerate(self.values)
        ]
        return Part.of(columns, rows, self.title)
