"""Lines with bands, over a common axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import as_list, for_plotly, legend_entry
from cortexscope.document.panels._axes import above_0, inches_of_axes, plain_axes
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Line", "Lines"]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line with a band."""

    label: str
    slot: int
    """Which colour and dash, the same for a model in every figure."""
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    """Lower edge of the band at each x; None where there is no band."""
    high: NDArray[np.float64] | None = None
    """Upper edge of the band at each x."""
    places: tuple[str, ...] = ()
    """What each x is, such as a layer; x alone where empty."""
    joined: bool = True
    """Whether a line goes through its points; otherwise each has a marker."""

    @property
    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The edges of the band; NaN where there is none."""
        unknown = np.full(len(self.x), np.nan)
        return (
            unknown if self.low is None else self.low,
            unknown if self.high is None else self.high,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lines(Panel):
    """Lines over a common axis."""

    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    log: bool = False
    """Whether the y axis is logarithmic."""
    x_word: str = "x"
    """What x is called where there is little room."""
    x_range: tuple[float, float] | None = None
    """What the x axis shows; what the lines need where None."""
    x_log: bool = False
    """Whether the x axis is logarithmic."""

    def inches(self, panels: Sequence[Lines], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the axes need."""
        return inches_of_axes(columns, rows, height=2.9)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw every line over its band."""
        plain_axes(axes, self.x_title, self.y_title)
        for line in self.lines:
            style = look(line.slot)
            if (band := self._band(line)) is not None:
                axes.fill_between(line.x, *band, color=style.colour, alpha=0.18, linewidth=0)
            axes.plot(
                line.x,
                line.y,
                color=style.colour,
                linewidth=1.6,
                linestyle=((0, style.dash) if style.dash else "-") if line.joined else "",
                marker=style.marker if len(line.x) < 3 or not line.joined else None,
                label=legend_entry(line.label),
            )
        if self.log:
            axes.set_yscale("log")
        if self.x_log:
            axes.set_xscale("log")
        if self.x_range is not None:
            axes.set_xlim(*self.x_range)

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw every line over its band."""
        where = {"row": place.row, "col": place.column}
        canvas.update_xaxes(title_text=for_plotly(self.x_title), **where)
        canvas.update_yaxes(title_text=for_plotly(self.y_title), **where)
        traces = [trace for line in self.lines for trace in self._traces(line, entries)]
        canvas.add_traces(traces, rows=place.row, cols=place.column)
        if self.x_range is not None:
            canvas.update_xaxes(range=list(self.x_range), **where)
        if self.log:
            canvas.update_yaxes(type="log", dtick="D2", **where)
        if self.x_log:
            canvas.update_xaxes(type="log", dtick="D2", **where)

    def _traces(self, line: Line, entries: set[str]) -> list[Any]:
        style, name = look(line.slot), for_plotly(line.label, 60)
        traces = []
        ends = ""
        if (band := self._band(line)) is not None:
            ends = " (%{customdata[0]:.4g} to %{customdata[1]:.4g})"
            traces.append(
                scatter(
                    x=as_list(np.concatenate([line.x, line.x[::-1]])),
                    y=as_list(np.concatenate([band[1], band[0][::-1]])),
                    mode="lines",
                    fill="toself",
                    fillcolor=style.colour,
                    opacity=0.2,
                    line={"width": 0},
                    hoverinfo="skip",
                    showlegend=False,
                    legendgroup=name,
                )
            )
        middle = scatter(
            x=as_list(line.x),
            y=as_list(line.y),
            mode=_mode(line),
            name=name,
            legendgroup=name,
            showlegend=name not in entries,
            line={"color": style.colour, "dash": style.plotly_dash, "width": 2},
            marker={"symbol": style.plotly_marker, "size": 7},
            customdata=np.stack(line.ends, axis=1).tolist() if ends else None,
            text=[f"{for_plotly(place)}, " for place in line.places] or None,
            hovertemplate=(
                ("%{text}" if line.places else "")
                + f"{for_plotly(self.x_word)} %{{x:.3~g}}: %{{y:.4g}}{ends}"
            ),
        )
        entries.add(name)
        return [*traces, middle]

    def _band(self, line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the edges of a band, on a logarithmic axis those that it has a place for."""
        if line.low is None:
            return None
        low, high = line.ends
        if self.log:
            shown = [own.y for own in self.lines]
            low, high = above_0(low, shown), above_0(high, shown)
        return low, high

    def numbers(self) -> Part:
        """Return the points, line by line."""
        names = ("x", "value", "low", "high")
        rows = [
            (line.label, *point)
            for line in self.lines
            for point in zip(line.x, line.y, *line.ends, strict=True)
        ]
        columns = (Column("line"), *(Column(name, "number") for name in names))
        return Part.of(columns, rows, self.title)


def _mode(line: Line) -> str:
    if not line.joined:
        return "markers"
    return "lines" if len(line.x) > 2 else "lines+markers"
