"""Values with their intervals, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import (
    LABEL,
    as_list,
    for_plotly,
    legend_entry,
)
from cortexscope.document.panels._axes import (
    above_0,
    plain_axes,
    rows_by_matplotlib,
    rows_by_plotly,
)
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Range", "Ranges"]


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """A value with its interval in each row."""

    label: str
    slot: int
    """Which colour and marker."""
    x: NDArray[np.float64]
    """[row]; NaN where undefined."""
    low: NDArray[np.float64]
    """Lower end of the interval, [row]."""
    high: NDArray[np.float64]
    """Upper end of the interval, [row]."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranges(Panel):
    """Values with intervals, several in each row, beside one another."""

    title: str
    x_title: str
    rows: tuple[str, ...]
    """From the top."""
    ranges: tuple[Range, ...]
    line: float | None = None
    """Where a line goes down through all rows; nowhere where None."""
    log: bool = False
    """Whether the axis is logarithmic; then all values are above 0."""

    def offsets(self) -> NDArray[np.float64]:
        """Return how far below its row each range is drawn, in rows: less than half of one."""
        places = np.arange(len(self.ranges), dtype=np.float64)
        step = min(0.3, 0.9 / max(len(places), 1))
        return np.asarray(step * (places - (len(places) - 1) / 2))

    def _low(self, one: Range) -> NDArray[np.float64]:
        """Return the lower ends of intervals, on a logarithmic axis where it has a place for."""
        if not self.log:
            return one.low
        return above_0(one.low, [end for own in self.ranges for end in (own.x, own.low)])

    def inches(self, panels: Sequence[Ranges], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the rows need."""
        return 2.0 + 3.6 * columns, 1.2 + rows * (0.9 + 0.009 * self.pixels)

    @property
    def pixels(self) -> int:
        """The height of the rows, in each of which all ranges have room."""
        return min(max(30, 9 * len(self.ranges)), 150) * len(self.rows)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the intervals and their values."""
        plain_axes(axes, self.x_title, "")
        if self.log:
            axes.set_xscale("log")
        else:
            # Numbers of few digits, with a power of ten at the end: long ones would meet.
            axes.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
            axes.ticklabel_format(axis="x", scilimits=(-3, 6))
        places = np.arange(len(self.rows), dtype=np.float64)
        if self.line is not None:
            axes.axvline(self.line, color="0.45", linewidth=0.9, zorder=1)
        for one, offset in zip(self.ranges, self.offsets(), strict=True):
            style = look(one.slot)
            axes.hlines(
                places + offset, self._low(one), one.high, color=style.colour, linewidth=1.6
            )
            axes.scatter(
                one.x,
                places + offset,
                s=18,
                color=style.colour,
                marker=style.marker,
                linewidths=0,
                zorder=3,
                label=legend_entry(one.label),
            )
        rows_by_matplotlib(axes, self.rows, LABEL, named=first)

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the intervals and their values."""
        where = {"row": place.row, "col": place.column}
        canvas.update_xaxes(title_text=for_plotly(self.x_title), **where)
        if self.log:
            canvas.update_xaxes(type="log", nticks=6, exponentformat="power", **where)
        for one, offset in zip(self.ranges, self.offsets(), strict=True):
            canvas.add_trace(self._trace(one, offset, entries), **where)
        rows_by_plotly(canvas, place, self.rows, LABEL)
        if self.line is not None:
            canvas.add_vline(
                x=self.line, line_width=1, line_color="#8C8C8C", layer="below",
                row=place.row, col=place.column,
            )  # fmt: skip

    def _trace(self, one: Range, offset: float, entries: set[str]) -> Any:  # noqa: ANN401 - of plotly
        style, name = look(one.slot), for_plotly(one.label, 60)
        trace = scatter(
            x=as_list(one.x),
            y=[place + offset for place in range(len(self.rows))],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": as_list(one.high - one.x),
                "arrayminus": as_list(one.x - self._low(one)),
                "width": 0,
                "color": style.colour,
            },
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=name not in entries,
            marker={"color": style.colour, "symbol": style.plotly_marker, "size": 7},
            text=[for_plotly(row) for row in self.rows],
            customdata=np.stack([one.low, one.high], axis=1).tolist(),
            hovertemplate="%{text}: %{x:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})",
        )
        entries.add(name)
        return trace

    def numbers(self) -> Part:
        """Return the values, range by range."""
        names = ("value", "low", "high")
        rows = [
            (one.label, *row)
            for one in self.ranges
            for row in zip(self.rows, one.x, one.low, one.high, strict=True)
        ]
        columns = (Column("range"), Column("row"), *(Column(name, "number") for name in names))
        return Part.of(columns, rows, self.title)
