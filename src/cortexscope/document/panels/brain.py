"""A brain from the left whose regions are coloured by numbers: a metaphor, and nothing more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import UNDEFINED, Column, Part
from cortexscope.document.drawing._look import CIVIDIS, cividis, ink_on
from cortexscope.document.drawing._text import as_list, for_matplotlib, for_plotly
from cortexscope.document.panels._brain_shapes import (
    GROUND,
    HEIGHT,
    INNER,
    SHAPES,
    SULCI,
    WIDTH,
    Shape,
)
from cortexscope.document.panels._panel import Panel, Place
from cortexscope.document.panels._traces import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Area", "Brain"]

_GROUND, _EDGE, _LEADER, _FOLD = "#d0d0d0", "#ffffff", "#737373", "#ffffff66"


@dataclass(frozen=True, slots=True)
class Area:
    """A region with its number."""

    key: str
    """Of `SHAPES`."""
    label: str
    shade: float
    """What decides its colour; NaN where undefined."""
    value: float
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""
    n: int
    told: str
    """What the number is, for who points at it."""

    @property
    def sign(self) -> str:
        """What is written below its name."""
        if not math.isfinite(self.shade):
            return UNDEFINED
        text = f"{self.shade:+.1f}".replace("-", "−")
        return text if text[1:] != "0.0" else "0.0"

    @property
    def texts(self) -> tuple[str, str]:
        """What is told of it: its name and number, and what these are."""
        if not math.isfinite(self.value):
            return f"{self.label}: {UNDEFINED}", self.told
        ends = (
            f" [{self.low:.3g}, {self.high:.3g}]"
            if math.isfinite(self.low) and math.isfinite(self.high)
            else ""
        )
        return f"{self.label}: {self.value:.3g}{ends}, n = {self.n}", self.told


@dataclass(frozen=True, slots=True, eq=False)
class Brain(Panel):
    """A drawn brain; a metaphor, which whoever shows it has to say."""

    legend: ClassVar[bool] = False
    gap: ClassVar[int] = 50

    title: str
    areas: tuple[Area, ...]
    reach: float
    """The colours go from less than nothing to this much more."""
    scale_title: str
    """What the colours are."""

    def colours(self) -> dict[str, str]:
        """Return the colour of each region, grey where undefined; lighter is more, on any page."""
        return {
            area.key: cividis(0.5 + area.shade / self.reach / 2)
            if math.isfinite(area.shade)
            else _GROUND
            for area in self.areas
        }

    def inches(self, panels: Sequence[Brain], columns: int, rows: int) -> tuple[float, float]:
        """Return the size that brains with readable names need."""
        return 3.0 * columns, 1.0 + 2.75 * rows

    @property
    def title_width(self) -> tuple[int, int]:
        """A brain is narrow."""
        return 44, 40

    @property
    def pixels(self) -> int:
        """The height of a brain."""
        return 420

    @property
    def least_width(self) -> int:
        """Names need room."""
        return 460

    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw the regions over a neutral brain; the first panel of a figure brings the scale."""
        from matplotlib.collections import LineCollection, PolyCollection

        axes.set_axis_off()
        # Hidden ones are not laid out, which takes longer than all the rest.
        axes.xaxis.set_visible(False)
        axes.yaxis.set_visible(False)
        axes.set_aspect("equal")
        axes.set_xlim(-3, WIDTH)
        axes.set_ylim(-1, HEIGHT)
        colours, drawn = self.colours(), list(self._drawn())
        dashes = [(0, (3, 1.5)) if area.key in INNER else "-" for area, _ in drawn]
        leaders = [np.array([shape.at, shape.leader]) for _, shape in self._outside()]
        for made in (
            PolyCollection(GROUND, facecolors=_GROUND, edgecolors=_LEADER, linewidths=0.8),
            PolyCollection(
                [points for _, points in drawn],
                facecolors=[colours[area.key] for area, _ in drawn],
                edgecolors=_EDGE, linewidths=1.1, linestyles=dashes,
            ),
            LineCollection(SULCI, colors=_FOLD, linewidths=0.7),
            LineCollection(leaders, colors=_EDGE, linewidths=2.0),
            LineCollection(leaders, colors="#222222", linewidths=0.6),
        ):  # fmt: skip
            made.set_in_layout(False)
            axes.add_collection(made, autolim=False)
        for area in self.areas:
            shape = SHAPES[area.key]
            ink, between, box = ink_on(colours[area.key]), "\n", None
            if shape.leader is not None:
                ink, between, box = "#222222", " ", {"facecolor": _EDGE, "linewidth": 0, "pad": 1}
            # To lay them out would take most of the time, and they are inside.
            axes.text(
                *shape.at, f"{shape.name}{between}{area.sign}", fontsize=6.5, ha="center",
                va="center", linespacing=1.05, color=ink, in_layout=False, bbox=box,
            )  # fmt: skip
        if (place := axes.get_subplotspec()) is not None and place.num1 == 0:
            self._scale(axes)

    def _scale(self, axes: Axes) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import LinearSegmentedColormap, Normalize

        canvas: Any = axes.figure
        colours = LinearSegmentedColormap.from_list("cividis", CIVIDIS)
        shades = ScalarMappable(Normalize(-self.reach, self.reach), colours)
        bar = canvas.colorbar(
            shades, ax=list(canvas.axes), location="bottom", shrink=0.5, aspect=45, pad=0.02
        )
        bar.set_label(for_matplotlib(self.scale_title))
        bar.outline.set_visible(False)

    def _outside(self) -> list[tuple[Area, Shape]]:
        """Return the regions whose names stand beside the brain."""
        return [
            (area, SHAPES[area.key]) for area in self.areas if SHAPES[area.key].leader is not None
        ]

    def _drawn(self) -> Iterator[tuple[Area, NDArray[np.float64]]]:
        """Yield the regions with their outlines, those that lie inside last."""
        areas = {area.key: area for area in self.areas}
        for key, shape in SHAPES.items():
            if key in areas:
                yield areas[key], shape.points

    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401
        """Draw the same; each region tells its number to who points at it."""
        where = {"row": place.row, "col": place.column}
        colours = self.colours()
        shared = {"mode": "lines", "showlegend": False, "fill": "toself"}
        traces = [
            scatter(
                **_line(*GROUND), **shared, fillcolor=_GROUND, hoverinfo="skip",
                line={"color": "#808080", "width": 1},
            )
        ]  # fmt: skip
        for area, points in self._drawn():
            inner = area.key in INNER
            traces.append(
                scatter(
                    **_line(points),
                    **shared,
                    fillcolor=colours[area.key],
                    line={
                        "color": _EDGE,
                        "width": 1.4 if inner else 2,
                        "dash": "4px,2px" if inner else "solid",
                    },
                    hoveron="fills",
                    hoverinfo="text",
                    text="<br>".join(for_plotly(text) for text in area.texts),
                )
            )
        canvas.add_traces(
            [*traces, *self._names(colours), *self._key(place)],
            rows=place.row, cols=place.column,
        )  # fmt: skip
        plain = {"visible": False, "fixedrange": True}
        canvas.update_xaxes(range=[-3, WIDTH], constrain="domain", **plain, **where)
        canvas.update_yaxes(range=[-1, HEIGHT], constrain="domain", **plain, **where)
        own = canvas.get_subplot(**where).xaxis.plotly_name
        canvas.update_yaxes(scaleanchor=own.replace("axis", ""), **where)

    def _names(self, colours: dict[str, str]) -> list[Any]:
        shapes = [(area, SHAPES[area.key]) for area in self.areas]
        inside = [(area, shape) for area, shape in shapes if shape.leader is None]
        outside = [(area, shape) for area, shape in shapes if shape.leader is not None]
        shared = {"hoverinfo": "skip", "showlegend": False}
        leaders = _line(*(np.array([shape.at, shape.leader]) for _, shape in outside))
        found = [
            scatter(**leaders, **shared, mode="lines", line={"color": colour, "width": width})
            for colour, width in ((_EDGE, 3), (_LEADER, 1))
        ]
        for own, between, font in (
            (inside, "<br>", {"color": [ink_on(colours[area.key]) for area, _ in inside]}),
            # Names on the page take the page's own colour.
            (outside, " ", {}),
        ):
            found.append(
                scatter(
                    x=[shape.at[0] for _, shape in own],
                    y=[shape.at[1] for _, shape in own],
                    mode="text",
                    text=[f"{shape.name}{between}{area.sign}" for area, shape in own],
                    textposition=[shape.side for _, shape in own],
                    textfont={"size": 11, **font},
                    **shared,
                )
            )
        return found

    def _key(self, place: Place) -> list[Any]:
        """Return the scale of the colours, once a figure."""
        if (place.row, place.column) != (1, 1):
            return []
        title = "<br>".join(wrap(for_plotly(self.scale_title), 40))
        bar = {
            "orientation": "h", "thickness": 10, "len": 0.6, "y": 0, "yanchor": "top", "x": 0.5,
            "outlinewidth": 0, "title": {"text": title, "side": "bottom"},
        }  # fmt: skip
        marker = {
            "color": [0], "cmin": -self.reach, "cmax": self.reach, "colorscale": list(CIVIDIS),
            "showscale": True, "colorbar": bar,
        }  # fmt: skip
        shared = {"hoverinfo": "skip", "showlegend": False}
        return [scatter(x=[None], y=[None], mode="markers", marker=marker, **shared)]

    def numbers(self) -> Part:
        """Return the regions, a row each."""
        rows = [
            (area.label, area.value, area.low, area.high, area.shade, area.n) for area in self.areas
        ]
        names = ("value", "low", "high", "shade")
        columns = (Column("region"), *(Column(name, "number", digits=4) for name in names))
        return Part.of((*columns, Column("n", "integer")), rows, self.title)


def _line(*parts: NDArray[np.float64]) -> dict[str, list[float | None]]:
    """Return closed or open lines for plotly, which breaks them at what is no number."""
    gap = np.full((1, 2), np.nan)
    every = np.concatenate([piece for part in parts for piece in (part, gap)])[:-1]
    return {"x": as_list(every[:, 0]), "y": as_list(every[:, 1])}
