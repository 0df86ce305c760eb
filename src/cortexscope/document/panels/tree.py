"""Things that are joined two by two, the most alike first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from cortexscope.document._table import Column, Part
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing._text import TICK, for_matplotlib, for_plotly, unlike
from cortexscope.document.panels._axes import inches_of_axes, plain_axes
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Join", "Tree"]


class Join(NamedTuple):
    """Two branches become one."""

    one: int
    """A leaf by its number, or, from the number of leaves on, an earlier join."""
    other: int
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Tree(Panel):
    """A dendrogram: two branches meet at the distance at which they are joined."""

    legend: ClassVar[bool] = False

    title: str
    x_title: str
    leaves: tuple[str, ...]
    joins: tuple[Join, ...]
    """In the order of distance, one less than there are leaves."""

    def order(self) -> tuple[int, ...]:
        """Return the leaves from the top, so that no two branches cross."""
        inside = [[leaf] for leaf in range(len(self.leaves))]
        for own in self.joins:
            inside.append(inside[own.one] + inside[own.other])
        return tuple(inside[-1])

    def branches(self) -> list[tuple[tuple[float, ...], ...]]:
        """Return x and y of the four corners of each join."""
        places = dict(zip(self.order(), map(float, range(len(self.leaves))), strict=True))
        ends = dict.fromkeys(places, 0.0)
        drawn: list[tuple[tuple[float, ...], ...]] = []
        for number, own in enumerate(self.joins, len(self.leaves)):
            top, bottom = places[own.one], places[own.other]
            xs = (ends[own.one], own.distance, own.distance, ends[own.other])
            drawn.append((xs, (top, top, bottom, bottom)))
            places[number], ends[number] = (top + bottom) / 2, own.distance
        return drawn

    def inches(self, panels: Sequence[Panel], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that the leaves need."""
        return inches_of_axes(columns, rows, height=max(2.9, 0.8 + 0.24 * len(self.leaves)))

    @property
    def pixels(self) -> int:
        """The height of the leaves."""
        return max(250, 24 * len(self.leaves))

    @property
    def least_width(self) -> int:
        """As wide as a map needs, which stands beside a tree."""
        return 460

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw every join as a bracket."""
        plain_axes(axes, self.x_title, "")
        for xs, ys in self.branches():
            axes.plot(xs, ys, color=look(0).colour, linewidth=1.3)
        named = [for_matplotlib(self.leaves[leaf], TICK) for leaf in self.order()]
        axes.set_yticks(range(len(named)), named)
        axes.set_ylim(len(named) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw every join as a bracket."""
        where = {"row": place.row, "col": place.column}
        drawn = self.branches()
        canvas.add_trace(
            scatter(
                x=[x for xs, _ in drawn for x in (*xs, None)],
                y=[y for _, ys in drawn for y in (*ys, None)],
                mode="lines",
                line={"color": look(0).colour, "width": 1.5},
                hovertemplate="%{x:.3g}<extra></extra>",
                showlegend=False,
            ),
            **where,
        )
        named = [self.leaves[leaf] for leaf in self.order()]
        canvas.update_xaxes(title_text=for_plotly(self.x_title), rangemode="tozero", **where)
        canvas.update_yaxes(
            tickvals=list(range(len(named))),
            ticktext=unlike(named, TICK),
            range=[len(named) - 0.5, -0.5],
            showgrid=False,
            **where,
        )

    def numbers(self) -> Part:
        """Return the joins, the leaves of both branches named."""
        inside: list[tuple[int, ...]] = [(leaf,) for leaf in range(len(self.leaves))]
        rows = []
        for own in self.joins:
            inside.append(inside[own.one] + inside[own.other])
            sides = (inside[own.one], inside[own.other])
            rows.append(
                (*(", ".join(self.leaves[leaf] for leaf in side) for side in sides), own.distance)
            )
        columns = (Column("one"), Column("other"), Column("distance", "number"))
        return Part.of(columns, rows or [("", "", np.nan)], self.title)
