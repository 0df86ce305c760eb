"""A text piece by piece, each on the colour of its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._text import as_list, for_matplotlib, for_plotly, points
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Strip"]

_ACROSS = 10
"""Pieces of a line."""
_BRIGHT = 0.47
"""A shade beyond which black is read more easily than white, as in heat maps."""
_PIECE = 11
"""Characters of a piece."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip(Panel):
    """Pieces of a text in lines, each on a colour between 0 and the largest value."""

    legend: ClassVar[bool] = False

    title: str
    value_title: str
    pieces: tuple[str, ...]
    values: NDArray[np.float64]
    """[piece], none below 0; NaN where undefined, which is left blank."""

    @property
    def lines(self) -> int:
        """How many lines the pieces take."""
        return max(1, -(-len(self.pieces) // _ACROSS))

    def grid(self) -> NDArray[np.float64]:
        """Return the values, [line, place]."""
        values = np.full(self.lines * _ACROSS, np.nan)
        values[: len(self.values)] = self.values
        return values.reshape(self.lines, _ACROSS)

    @property
    def largest(self) -> float:
        """The upper end of the scale."""
        known = self.values[np.isfinite(self.values)]
        return float(known.max(initial=0.0)) or 1.0

    def inches(self, panels: Sequence[Strip], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the lines need."""
        return 9.0, 0.6 + rows * (0.7 + 0.3 * max(2, *(panel.lines for panel in panels), 2))

    @property
    def title_width(self) -> tuple[int, int]:
        """A text is as wide as the figure."""
        return 90, 40

    @property
    def pixels(self) -> int:
        """The height of the lines."""
        return 28 * max(2, self.lines)

    @property
    def least_width(self) -> int:
        """As wide as a line needs."""
        return 80 * _ACROSS

    def _shown(self) -> list[str]:
        return [piece.strip() or "␣" for piece in self.pieces]

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the pieces and the scale of their colours."""
        grid = self.grid()
        image = axes.imshow(grid, cmap="cividis", aspect="auto", vmin=0, vmax=self.largest)
        for number, piece in enumerate(self._shown()):
            value = self.values[number]
            dark = math.isfinite(value) and value / self.largest <= _BRIGHT
            axes.text(
                number % _ACROSS,
                number // _ACROSS,
                for_matplotlib(piece, _PIECE),
                ha="center",
                va="center",
                fontsize=points(8),
                color="white" if dark else "black",
            )
        axes.set_axis_off()
        title = for_matplotlib(self.value_title, 30)
        bar = axes.figure.colorbar(image, ax=axes, pad=0.02, label=title)
        bar.outline.set_visible(False)

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the pieces, and the scale of their colours beside them."""
        where = {"row": place.row, "col": place.column}
        low, high = place.domain
        grid = self.grid()
        shown = [for_plotly(piece, _PIECE) for piece in self._shown()]
        shown += [""] * (grid.size - len(shown))
        texts = np.array(shown, dtype=object).reshape(grid.shape)
        canvas.add_trace(
            heat_map(
                z=[as_list(row) for row in grid],
                colorscale="Cividis",
                zmin=0,
                zmax=self.largest,
                # Plotly itself chooses black or white, whichever stands out more.
                text=texts.tolist(),
                texttemplate="%{text}",
                hovertemplate="%{text}: %{z:.4g}<extra></extra>",
                hoverongaps=False,
                xgap=2,
                ygap=2,
                colorbar={
                    "y": (low + high) / 2,
                    "len": high - low,
                    "thickness": 12,
                    "outlinewidth": 0,
                },
            ),
            **where,
        )
        canvas.update_xaxes(visible=False, **where)
        canvas.update_yaxes(visible=False, autorange="reversed", **where)

    def numbers(self) -> Part:
        """Return the pieces in their order."""
        columns = (Column("place", "integer"), Column("piece"), Column("value", "number"))
        rows = [
            (number, piece, value)
            for number, (piece, value) in enumerate(zip(self.pieces, self.values, strict=True), 1)
        ]
        return Part.of(columns, rows, self.title)
