"""A figure as data: panels of numbers with their titles; renderers draw it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Figure",
    "HeatMap",
    "Line",
    "Lines",
    "Panel",
    "Points",
    "Range",
    "Ranges",
    "Raster",
    "Scatter",
]


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Values in a grid, written into its cells."""

    title: str
    rows: tuple[str, ...]
    """From the top."""
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    """[row, column]; NaN where undefined."""

    def shades(self) -> NDArray[np.float64]:
        """Return how dark each cell is: 0 for the lowest of its column, 1 for the highest.

        Models differ far more than tasks do; on one scale for all, no task would be seen.
        """
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


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line with a band."""

    label: str
    slot: int
    """Which colour and dash, the same for a model in every figure."""
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64]
    """Lower edge of the band at each x."""
    high: NDArray[np.float64]
    """Upper edge of the band at each x."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines over a common axis."""

    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    log: bool = False
    """Whether the y axis is logarithmic."""


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
class Scatter:
    """Clouds of points."""

    title: str
    x_title: str
    y_title: str
    clouds: tuple[Points, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Many values in a grid, on one scale from 0, too many to be written into their cells."""

    title: str
    x_title: str
    """Columns count from 0."""
    y_title: str
    value_title: str
    first_row: int
    """The number of the row at the top; the others count on."""
    values: NDArray[np.float64]
    """[row, column], none below 0; NaN where undefined, which is left blank."""

    @property
    def height(self) -> float:
        """How tall the grid is, from 1 to 4, in panels of lines."""
        return min(4.0, max(1.0, len(self.values) / 16))


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
class Ranges:
    """Values with intervals, several in each row, beside one another."""

    title: str
    x_title: str
    rows: tuple[str, ...]
    """From the top."""
    ranges: tuple[Range, ...]

    def offsets(self) -> NDArray[np.float64]:
        """Return how far below its row each range is drawn, in rows."""
        places = np.arange(len(self.ranges), dtype=np.float64)
        return np.asarray(0.3 * (places - (len(places) - 1) / 2))


Panel = HeatMap | Lines | Ranges | Raster | Scatter


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A numbered figure of a report."""

    key: str
    """Stable name, which is also that of its files."""
    number: int
    title: str
    caption: str
    """What is drawn and how to read it."""
    panels: tuple[Panel, ...]
    """Empty where the run has nothing to draw; `notes` then say why."""
    columns: int = 2
    """Number of panels side by side."""
    notes: tuple[str, ...] = ()
    """What is missing, and why."""

    @property
    def alt(self) -> str:
        """What a reader who does not see the figure is told."""
        shown = "; ".join(panel.title for panel in self.panels)
        return f"{self.title}. Panels: {shown}." if shown else f"{self.title}: nothing to draw."
