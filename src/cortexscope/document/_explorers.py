"""Numbers that a reader looks through by choosing: what a page can do and paper cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._table import Table

__all__ = ["Chooser", "Depths", "Grid", "Pages"]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A metric in a stack of a model: a value for each group, layer and head."""

    title: str
    """Of the metric, with its unit."""
    group: str
    """Under which the metric is listed."""
    meaning: str
    """Its definition."""
    series: str
    """The model, with its stack where there are several."""
    first: int
    """The number of the first layer."""
    heads: bool
    """Whether there are heads; if not, the last axis is one long."""
    values: NDArray[np.float64]
    """[group, layer, head]; NaN where undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class Chooser:
    """Grids of which a reader chooses one, and a group within it."""

    kind: ClassVar[str] = "chooser"

    key: str
    groups: tuple[str, ...]
    """What the first axis of the grids is, such as all prompts and then each task."""
    grids: tuple[Grid, ...]
    told: str
    """What stands in its place where nothing can be chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Depths:
    """A metric along the layers of a model, for each item of `Pages`."""

    metric: int
    series: int
    """Places in the metrics and the series of the pages."""
    first: int
    """The number of the first layer."""
    values: NDArray[np.float64]
    """[item, layer]; NaN where undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """A table each of whose rows has a page: its text, every metric, and layers."""

    kind: ClassVar[str] = "pages"

    table: Table
    """Its first column names the items."""
    heads: tuple[str, ...]
    """What stands over each page, such as the task; an item each."""
    texts: tuple[str, ...]
    """Empty where texts are not shown; else an item each."""
    made: tuple[tuple[tuple[str, str], ...], ...]
    """Further texts of each item, each with its name, such as what a model generated; or empty."""
    metrics: tuple[str, ...]
    """Titles, with units."""
    series: tuple[str, ...]
    """The models."""
    values: NDArray[np.float64]
    """[item, series, metric]; NaN where undefined."""
    means: NDArray[np.float64]
    """[series, metric], over all items, those without a page among them."""
    spreads: NDArray[np.float64]
    """[series, metric], standard deviations; NaN where there is none."""
    depths: tuple[Depths, ...] = ()
