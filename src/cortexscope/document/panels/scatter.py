"""Clouds of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import as_list, for_matplotlib, for_plotly, legend_entry
from cortexscope.document.panels._axes import inches_of_axes, plain_axes
from cortexscope.document.panels._panel import Panel, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Points", "Scatter"]


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
    """What holds of the cloud, such as its correlation."""


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

    def inches(self, panels: Sequence[Scatter], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the axes need, with what is said of each cloud below them."""
        names = max(len(panel.clouds) for panel in panels)
        return inches_of_axes(columns, rows, height=3.5 if names else 2.9, names=names)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the clouds, and below them what is said of each."""
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
                label=f"{legend_entry(cloud.label)}\n{for_matplotlib(cloud.statement, 70)}",
            )
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(0.0, -0.16),
            frameon=False,
            fontsize=8,
            borderaxespad=0.0,
            handletextpad=0.3,
        )

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the clouds."""
        from plotly import graph_objects as go

        where = {"row": place.row, "col": place.column}
        canvas.update_xaxes(title_text=for_plotly(self.x_title), **where)
        canvas.update_yaxes(title_text=for_plotly(self.y_title), **where)
        for cloud in self.clouds:
            style, name = look(cloud.slot), for_plotly(cloud.label, 60)
            canvas.add_trace(
                go.Scatter(
                    x=as_list(cloud.x),
                    y=as_list(cloud.y),
                    mode="markers",
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

    def numbers(self) -> Part:
        """Return the points, cloud by cloud."""
        rows = [
            (cloud.label, *point)
            for cloud in self.clouds
            for point in zip(cloud.names, cloud.x, cloud.y, strict=True)
        ]
        columns = (Column("cloud"), Column("name"), Column("x", "number"), Column("y", "number"))
        return Part.of(columns, rows, self.title)
