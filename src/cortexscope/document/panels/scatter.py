"""Clouds of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import (
    TICK,
    as_list,
    for_matplotlib,
    for_plotly,
    legend_entry,
    points,
)
from cortexscope.document.panels._axes import inches_of_axes, plain_axes
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Points", "Scatter"]

_LETTER, _LINE = 0.025, 0.06
"""About how wide a letter and how high a line is, in shares of what named points span."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """One cloud of points."""

    label: str
    slot: int
    """Which colour and marker, the same for a model in every figure."""
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    names: tuple[str, ...]
    """What each point is."""
    statement: str
    """What holds of the cloud, such as its correlation; may be empty."""
    low: NDArray[np.float64] | None = None
    """Lower end of the interval of each y; None where there are none."""
    high: NDArray[np.float64] | None = None
    """Upper end of the interval of each y."""


@dataclass(frozen=True, slots=True, eq=False)
class Scatter(Panel):
    """Clouds of points."""

    legend: ClassVar[bool] = False

    title: str
    x_title: str
    y_title: str
    clouds: tuple[Points, ...]
    x_word: str = ""
    """What x counts, such as `tokens`."""
    named: bool = False
    """Whether the points' names stand beside them."""
    log: bool = False
    """Whether the x axis is logarithmic."""

    def inches(self, panels: Sequence[Scatter], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the axes need, with what is said of each cloud below them."""
        names = max(len(panel.clouds) for panel in panels)
        return inches_of_axes(columns, rows, height=3.5 if names else 2.9, names=names)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the clouds, and below them what is said of each."""
        from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

        plain_axes(axes, self.x_title, self.y_title)
        for cloud in self.clouds:
            style = look(cloud.slot)
            axes.scatter(
                cloud.x,
                cloud.y,
                s=16,
                color=style.colour,
                marker=style.marker,
                alpha=0.7,
                linewidths=0,
                label="\n".join(
                    filter(None, (legend_entry(cloud.label), for_matplotlib(cloud.statement, 70)))
                ),
            )
            if cloud.low is not None and cloud.high is not None:
                axes.vlines(cloud.x, cloud.low, cloud.high, color=style.colour, linewidth=1.4)
            if self.named:
                _name(axes, cloud)
        if self.named:
            axes.margins(x=0.2, y=0.08)
        if self.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter(NullFormatter())
        if len(self.clouds) > 1 or any(cloud.statement for cloud in self.clouds):
            axes.legend(
                loc="upper left",
                bbox_to_anchor=(0.0, -0.16),
                frameon=False,
                fontsize=points(8),
                borderaxespad=0.0,
                handletextpad=0.3,
            )

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the clouds."""
        where = {"row": place.row, "col": place.column}
        canvas.update_xaxes(title_text=for_plotly(self.x_title), **where)
        canvas.update_yaxes(title_text=for_plotly(self.y_title), **where)
        for cloud in self.clouds:
            style, name = look(cloud.slot), for_plotly(cloud.label, 60)
            canvas.add_trace(
                scatter(
                    x=as_list(cloud.x),
                    y=as_list(cloud.y),
                    mode="markers+text" if self.named else "markers",
                    textposition="top center",
                    textfont={"size": 10},
                    error_y=_errors(cloud, style.colour),
                    name=name,
                    legendgroup=name,
                    showlegend=name not in entries,
                    marker={
                        "color": style.colour,
                        "symbol": style.plotly_marker,
                        "size": 7,
                        "opacity": 0.75,
                    },
                    text=[for_plotly(point) for point in cloud.names],
                    hovertemplate=f"%{{text}}<br>%{{x}} {for_plotly(self.x_word)}: %{{y:.5g}}",
                ),
                **where,
            )
            entries.add(name)
        if self.named:
            known = np.concatenate([cloud.x for cloud in self.clouds])
            known = known[np.isfinite(known)]
            if known.size and np.ptp(known):
                room = 0.25 * np.ptp(known)
                canvas.update_xaxes(range=[known.min() - room, known.max() + room], **where)
        if self.log:
            canvas.update_xaxes(type="log", **where)

    def numbers(self) -> Part:
        """Return the points, cloud by cloud."""
        ends = any(cloud.low is not None for cloud in self.clouds)
        rows = [
            (cloud.label, *point)
            for cloud in self.clouds
            for point in zip(
                cloud.names, cloud.x, cloud.y, *(_ends(cloud) if ends else ()), strict=True
            )
        ]
        names = ("x", "y", "low", "high") if ends else ("x", "y")
        columns = (*map(Column, ("cloud", "name")), *(Column(name, "number") for name in names))
        return Part.of(columns, rows, self.title)


def _name(axes: Axes, cloud: Points) -> None:
    """Write names beside points, each on the side where it meets the fewest before it."""
    ranges = [max(float(np.nanmax(own) - np.nanmin(own)), 1e-12) for own in (cloud.x, cloud.y)]
    taken: list[tuple[float, float, float]] = []
    for x, y, name in zip(cloud.x, cloud.y, cloud.names, strict=True):
        text = for_matplotlib(name, TICK)
        wide = _LETTER * len(text)
        # Left end, right end and height, in shares of what the points span.
        places = [
            (x / ranges[0] - wide * right, x / ranges[0] + wide * (1 - right), y / ranges[1] + up)
            for up in (0.02, -_LINE)
            for right in (0, 1)
        ]
        # The margins of such axes are a fifth of the span.
        ends = (np.nanmin(cloud.x) / ranges[0] - 0.2, np.nanmax(cloud.x) / ranges[0] + 0.2)
        met = [
            sum(_meet(place, other) for other in taken)
            + 9 * (place[0] < ends[0] or place[1] > ends[1])
            for place in places
        ]
        chosen = int(np.argmin(met))
        taken.append(places[chosen])
        right, below = bool(chosen % 2), chosen > 1
        axes.annotate(
            text,
            (x, y),
            xytext=(-4 if right else 4, -3 if below else 3),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if below else "bottom",
            fontsize=points(8),
        )


def _meet(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and abs(one[2] - other[2]) < _LINE


def _ends(cloud: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    unknown = np.full(len(cloud.x), np.nan)
    return (
        unknown if cloud.low is None else cloud.low,
        unknown if cloud.high is None else cloud.high,
    )


def _errors(cloud: Points, colour: str) -> dict[str, Any] | None:
    if cloud.low is None or cloud.high is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": as_list(cloud.high - cloud.y),
        "arrayminus": as_list(cloud.y - cloud.low),
        "width": 0,
        "color": colour,
    }
