"""Where the values of groups lie, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import (
    TICK,
    as_list,
    for_plotly,
    legend_entry,
)
from cortexscope.document.panels._axes import plain_axes, rows_by_matplotlib, rows_by_plotly
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Box", "Boxes", "Far"]

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_WIDTH = 0.7
"""Of a row, that its boxes share."""


class Far(NamedTuple):
    """A value outside of its row's whiskers."""

    row: int
    value: float
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """The values of a group in each row, as five quantiles."""

    label: str
    slot: int
    """Which colour and marker."""
    quantiles: NDArray[np.float64]
    """[row, 5]: of the shares 0.05, 0.25, 0.5, 0.75 and 0.95; NaN where there is no value."""
    far: tuple[Far, ...]
    """The values below the first and above the last."""

    @classmethod
    def of(
        cls, label: str, slot: int, rows: Sequence[tuple[NDArray[np.float64], Sequence[str]]]
    ) -> Box:
        """Return the box of finite values and their names, row by row."""
        quantiles = np.full((len(rows), len(_SHARES)), np.nan)
        far: list[Far] = []
        for row, (values, names) in enumerate(rows):
            if len(values):
                quantiles[row] = np.quantile(values, _SHARES)
                outside = (values < quantiles[row, 0]) | (values > quantiles[row, -1])
                far += [
                    Far(row, float(values[n]), names[n]) for n in np.flatnonzero(outside).tolist()
                ]
        return cls(label, slot, quantiles, tuple(far))


@dataclass(frozen=True, slots=True, eq=False)
class Boxes(Panel):
    """Boxes from the first to the third quartile with the median, and whiskers; beyond, points."""

    title: str
    x_title: str
    rows: tuple[str, ...]
    """From the top."""
    boxes: tuple[Box, ...]
    log: bool = False
    """Whether the x axis is logarithmic."""

    def offsets(self) -> NDArray[np.float64]:
        """Return how far below its row each box is drawn, in rows."""
        places = np.arange(len(self.boxes), dtype=np.float64)
        return np.asarray(_WIDTH / len(self.boxes) * (places - (len(places) - 1) / 2))

    def inches(self, panels: Sequence[Boxes], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the rows need."""
        each = max(0.27, 0.13 * max(len(panel.boxes) for panel in panels))
        return 2.2 + 4.2 * columns, 1.2 + rows * (0.9 + each * len(self.rows))

    @property
    def pixels(self) -> int:
        """The height of the rows."""
        return max(30, 15 * len(self.boxes)) * len(self.rows)

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw whiskers, boxes, medians and the points beyond."""
        plain_axes(axes, self.x_title, "")
        places = np.arange(len(self.rows), dtype=np.float64)
        height = 0.8 * _WIDTH / len(self.boxes)
        for one, offset in zip(self.boxes, self.offsets(), strict=True):
            style, at = look(one.slot), places + offset
            low, first_quartile, median, third_quartile, high = one.quantiles.T
            axes.hlines(at, low, high, color=style.colour, linewidth=0.9)
            axes.barh(
                at,
                third_quartile - first_quartile,
                left=first_quartile,
                height=height,
                color=style.colour,
                alpha=0.35,
                linewidth=0,
            )
            axes.scatter(
                median,
                at,
                s=14,
                color=style.colour,
                marker=style.marker,
                linewidths=0,
                zorder=3,
                label=legend_entry(one.label),
            )
            axes.scatter(
                [own.value for own in one.far],
                [own.row + offset for own in one.far],
                s=4,
                color=style.colour,
                alpha=0.6,
                linewidths=0,
            )
        if self.log:
            axes.set_xscale("log")
        rows_by_matplotlib(axes, self.rows, TICK, named=first)

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw whiskers and boxes as thin and thick lines, medians, and the points beyond."""
        where = {"row": place.row, "col": place.column}
        canvas.update_xaxes(title_text=for_plotly(self.x_title), **where)
        for one, offset in zip(self.boxes, self.offsets(), strict=True):
            style, name = look(one.slot), for_plotly(one.label, 60)
            at = [row + offset for row in range(len(self.rows))]
            shared = {"legendgroup": name, "hoverinfo": "skip", "showlegend": False}
            for ends, width, opacity in (((0, 4), 1.5, 1.0), ((1, 3), 8, 0.4)):
                low, high = (as_list(one.quantiles[:, end]) for end in ends)
                canvas.add_trace(
                    scatter(
                        x=[x for pair in zip(low, high, strict=True) for x in (*pair, None)],
                        y=[y for row in at for y in (row, row, None)],
                        mode="lines",
                        line={"color": style.colour, "width": width},
                        opacity=opacity,
                        **shared,
                    ),
                    **where,
                )
            canvas.add_trace(
                scatter(
                    x=as_list(one.quantiles[:, 2]),
                    y=at,
                    mode="markers",
                    name=name,
                    legendgroup=name,
                    showlegend=name not in entries,
                    marker={"color": style.colour, "symbol": style.plotly_marker, "size": 7},
                    text=[for_plotly(row) for row in self.rows],
                    customdata=one.quantiles.tolist(),
                    hovertemplate=(
                        "%{text}: median %{x:.4g}, quartiles %{customdata[1]:.4g} to "
                        "%{customdata[3]:.4g}"
                    ),
                ),
                **where,
            )
            canvas.add_trace(
                scatter(
                    x=[own.value for own in one.far],
                    y=[own.row + offset for own in one.far],
                    mode="markers",
                    legendgroup=name,
                    showlegend=False,
                    marker={"color": style.colour, "size": 4, "opacity": 0.6},
                    text=[for_plotly(own.name) for own in one.far],
                    hovertemplate="%{text}: %{x:.4g}<extra></extra>",
                ),
                **where,
            )
            entries.add(name)
        if self.log:
            canvas.update_xaxes(type="log", **where)
        rows_by_plotly(canvas, place, self.rows, TICK)

    def numbers(self) -> Part:
        """Return the quantiles, box by box."""
        rows = [
            (one.label, row, *quantiles)
            for one in self.boxes
            for row, quantiles in zip(self.rows, one.quantiles, strict=True)
        ]
        names = ("q05", "q25", "median", "q75", "q95")
        columns = (Column("box"), Column("row"), *(Column(name, "number") for name in names))
        return Part.of(columns, rows, self.title)
