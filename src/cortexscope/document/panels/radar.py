"""Values along spokes from one middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import (
    LABEL,
    as_list,
    for_matplotlib,
    for_plotly,
    legend_entry,
    points,
)
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Radar", "Round"]

_ACROSS = 14
"""Letters of a line of a spoke's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One value on each spoke."""

    label: str
    slot: int
    """Which colour, marker and dash."""
    values: NDArray[np.float64]
    """[spoke]; NaN where undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class Radar(Panel):
    """Values along spokes, which begin at the top and go round with the clock."""

    title: str
    spokes: tuple[str, ...]
    rounds: tuple[Round, ...]
    unit: str = ""

    @property
    def rings(self) -> tuple[float, ...]:
        """The values that have a ring, from the middle, which is the lowest, outward."""
        from matplotlib.ticker import MaxNLocator

        known = np.concatenate([own.values[np.isfinite(own.values)] for own in self.rounds])
        low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
        steps = MaxNLocator(nbins=4).tick_values(min(0.0, float(low)), max(0.0, float(high)))
        return tuple(map(float, steps))

    def places(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return x and y of a value on each spoke; the outermost ring is at 1."""
        rings = self.rings
        radius = (values - rings[0]) / (rings[-1] - rings[0])
        angle = 2 * np.pi * np.arange(len(self.spokes)) / max(1, len(self.spokes))
        return radius * np.sin(angle), radius * np.cos(angle)

    def inches(self, panels: Sequence[Radar], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the spokes and their names need."""
        names = max(len(panel.rounds) for panel in panels)
        return max(6.4, 4.9 * columns), 0.9 + 3.6 * rows + 0.2 * -(-names // 3)

    @property
    def pixels(self) -> int:
        """As high as a narrow page is wide."""
        return 340

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw rings, spokes, and a closed line a round."""
        rings, count = self.rings, len(self.spokes)
        for ring in rings[1:]:
            xs, ys = map(_closed, self.places(np.full(count, ring)))
            zero = ring == 0
            axes.plot(xs, ys, color="0.45" if zero else "0.85", linewidth=1.0 if zero else 0.6)
        ends = self.places(np.full(count, rings[-1]))
        for name, x, y in zip(self.spokes, *ends, strict=True):
            axes.plot([0, x], [0, y], color="0.85", linewidth=0.6)
            axes.text(
                1.08 * x,
                1.08 * y,
                fill(for_matplotlib(name, LABEL), _ACROSS),
                ha="left" if x > 0.01 else "right" if x < -0.01 else "center",
                va="bottom" if y > 0.5 else "top" if y < -0.5 else "center",
                fontsize=points(8),
            )
        for own in self.rounds:
            style = look(own.slot)
            axes.plot(
                *map(_closed, self.places(own.values)),
                color=style.colour,
                marker=style.marker,
                markersize=3.5,
                linewidth=1.3,
                linestyle=(0, style.dash) if style.dash else "-",
                label=legend_entry(own.label),
            )
        for ring in rings[1:]:
            _, y = self.places(np.full(count, ring))
            unit = self.unit if ring == rings[-1] else ""
            axes.text(0.02, y[0], f"{ring:.3g}{unit}", fontsize=points(8), color="0.35")
        axes.set_aspect("equal")
        axes.set_xlim(-1.3, 1.3)
        axes.set_ylim(-1.3, 1.4)
        axes.set_axis_off()

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw rings, spokes, and a closed line a round."""
        where = {"row": place.row, "col": place.column}
        rings, count = self.rings, len(self.spokes)
        ends = self.places(np.full(count, rings[-1]))
        lines = [_closed(self.places(np.full(count, ring))[0]) for ring in rings[1:]]
        heights = [_closed(self.places(np.full(count, ring))[1]) for ring in rings[1:]]
        for x, y in zip(*ends, strict=True):
            lines.append(np.array([0.0, x]))
            heights.append(np.array([0.0, y]))
        canvas.add_trace(
            scatter(
                x=[value for line in lines for value in [*line.tolist(), None]],
                y=[value for line in heights for value in [*line.tolist(), None]],
                mode="lines",
                line={"color": "#8C8C8C", "width": 0.5},
                hoverinfo="skip",
                showlegend=False,
            ),
            **where,
        )
        marks = [(0.02, (ring - rings[0]) / (rings[-1] - rings[0])) for ring in rings[1:]]
        names = [(1.1 * x, 1.1 * y) for x, y in zip(*ends, strict=True)]
        canvas.add_trace(
            scatter(
                x=[x for x, _ in [*names, *marks]],
                y=[y for _, y in [*names, *marks]],
                mode="text",
                text=[
                    *(
                        fill(for_plotly(name, LABEL), _ACROSS).replace("\n", "<br>")
                        for name in self.spokes
                    ),
                    *(f"{ring:.3g}" for ring in rings[1:]),
                ],
                textfont={"size": 10},
                hoverinfo="skip",
                showlegend=False,
            ),
            **where,
        )
        for own in self.rounds:
            style, name = look(own.slot), for_plotly(own.label, 60)
            xs, ys = map(_closed, self.places(own.values))
            canvas.add_trace(
                scatter(
                    x=as_list(xs),
                    y=as_list(ys),
                    mode="lines+markers",
                    name=name,
                    legendgroup=name,
                    showlegend=name not in entries,
                    line={"color": style.colour, "dash": style.plotly_dash, "width": 1.5},
                    marker={"symbol": style.plotly_marker, "size": 6},
                    text=[
                        f"{for_plotly(spoke)}: {value:.3g}"
                        for spoke, value in zip(
                            [*self.spokes, self.spokes[0]], _closed(own.values), strict=True
                        )
                    ],
                    hovertemplate="%{text}",
                ),
                **where,
            )
            entries.add(name)
        hidden = {"visible": False}
        canvas.update_xaxes(range=[-1.5, 1.5], **hidden, **where)
        canvas.update_yaxes(range=[-1.3, 1.3], **hidden, **where)

    def numbers(self) -> Part:
        """Return the values, round by round."""
        rows = [
            (own.label, *row)
            for own in self.rounds
            for row in zip(self.spokes, own.values, strict=True)
        ]
        columns = (Column("round"), Column("spoke"), Column("value", "number"))
        return Part.of(columns, rows, self.title)


def _closed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([values, values[:1]])
