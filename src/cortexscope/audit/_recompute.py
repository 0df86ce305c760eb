"""Every figure of Tables 2 to 6, with the cells of Table 1 that it is made of."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cortexscope.audit._grid import INPUTS, LABELS, Cell, Grid
from cortexscope.audit._published import Published, Row, Table
from cortexscope.audit._rounding import agreeing, agrees, is_number, shown, unit_of

__all__ = ["Derived", "Ranking", "Values", "derive", "loosened", "rankings_of", "sds_that_fit"]

Values = Mapping[Cell, float]
Kind = Literal["mean", "sd", "sum", "cell"]


@dataclass(frozen=True, slots=True)
class Derived:
    """A printed figure that follows from cells of Table 1."""

    table: int
    part: str | None
    row: str
    column: str
    place: str
    printed: str
    metric: str
    """The column of Table 1 that it is made of."""
    kind: Kind
    cells: tuple[Cell, ...]
    ddof: int = 0
    """Of a standard deviation."""
    slack: float = 0.0
    """How far it may be off because the cells are printed rounded."""

    def expected(self, values: Values) -> float:
        """Return what it should be; NaN where no cell, or one cell for an sd, is known."""
        own = np.array([values[cell] for cell in self.cells if cell in values])
        return float(self._made(own[:, None])[0])

    def right(self, values: Values) -> bool:
        """Return whether the printed figure is what Table 1 gives."""
        value = self.expected(values)
        if not is_number(self.printed):
            return math.isnan(value)
        return agrees(self.printed, value, slack=self.slack)

    def right_with(
        self, cell: Cell, trials: NDArray[np.float64], values: Values
    ) -> NDArray[np.bool_]:
        """Return whether it is what Table 1 gives with each of several values in one cell."""
        others = [values[own] for own in self.cells if own != cell and own in values]
        own = np.vstack([np.tile(np.array(others)[:, None], len(trials)), trials])
        made = self._made(own)
        if not is_number(self.printed):
            return np.isnan(made)
        return agreeing(self.printed, made, slack=self.slack)

    def _made(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the figure of each column of cells, [cell, column]."""
        count = len(own)
        if not count or (self.kind == "sd" and count <= self.ddof):
            return np.full(own.shape[1], np.nan)
        # Subtracting a cell first keeps the digits of sums of like numbers.
        sums = own[0] * count + (own - own[0]).sum(axis=0)
        if self.kind == "sum":
            return np.asarray(sums)
        if self.kind != "sd":
            return np.asarray(sums / count)
        return np.asarray(np.sqrt(((own - sums / count) ** 2).sum(axis=0) / (count - self.ddof)))

    def recomputed(self, values: Values) -> str:
        """Return what it should be, in a few digits more than printed."""
        value = self.expected(values)
        if not is_number(self.printed):
            return repr(value)
        # A cell that is copied, or a count, has no digits beyond those it is printed in.
        return shown(value, self.printed, more=0 if self.kind in ("cell", "sum") else 2)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order and the members of one list of Table 6."""

    part: str
    place: str
    metric: str
    lowest: bool
    cells: tuple[Cell, ...]
    """As listed."""
    places: tuple[str, ...]

    def faults(self, values: Values) -> list[tuple[str, str, Cell, Cell]]:
        """Return what is out of order: row, place, the cell there, and one that ranks above it."""
        sign = 1.0 if self.lowest else -1.0
        listed = [(sign * values[cell], cell) for cell in self.cells if cell in values]
        faults = []
        for rank, ((value, cell), (after, other)) in enumerate(itertools.pairwise(listed), 1):
            if value > after:
                faults.append((f"rank {rank}", self.places[rank - 1], cell, other))
        outside = [(sign * value, cell) for cell, value in values.items() if cell not in self.cells]
        if listed and outside and min(outside)[0] < max(listed)[0]:
            faults.append(("last rank", self.place, max(listed)[1], min(outside)[1]))
        return faults


def derive(published: Published, grid: Grid, *, ddof: int) -> list[Derived]:
    """Return the derived figures of a file, with one divisor of standard deviations.

    A row whose label is not in Table 1, and is not the only odd one, has no figures here.
    """
    found: list[Derived] = []
    for table in published.tables:
        if table.number in LABELS:
            found.extend(_of_rows(table, grid, ddof))
        elif table.number == 6 and (columns := _metric(table, grid)):
            found.extend(_listed(table, grid, *columns))
    return found


def rankings_of(published: Published, grid: Grid) -> list[Ranking]:
    """Return the order of each list of Table 6 whose metric is known."""
    found = ((table, _metric(table, grid)) for table in published.lists)
    return [_ranking(table, grid, columns[0]) for table, columns in found if columns]


def loosened(figure: Derived, grid: Grid) -> Derived:
    """Return the figure as one that may have been made of the cells before they were rounded."""
    rows = [grid.rows[cell] for cell in figure.cells if cell in grid.rows]
    texts = [row.cells[figure.metric] for row in rows]
    half = 0.5 * max((unit_of(text) for text in texts if is_number(text)), default=0.0)
    n = len(texts)
    if figure.kind == "sd" and n > figure.ddof:
        half *= math.sqrt(n / (n - figure.ddof))
    return replace(figure, slack=half if figure.kind in ("mean", "sd") else 0.0)


def sds_that_fit(derived: Sequence[Derived], grid: Grid) -> tuple[int, int]:
    """Return how many standard deviations are what Table 1 gives, of how many."""
    own = [figure for figure in derived if figure.kind == "sd"]
    return sum(figure.right(grid.values[figure.metric]) for figure in own), len(own)


def _of_rows(table: Table, grid: Grid, ddof: int) -> Iterator[Derived]:
    """Yield the figures of one of Tables 2 to 5."""
    meant = grid.meant(table)
    for row in table.rows:
        label = row.cells[LABELS[table.number]]
        if label not in meant:
            continue
        cells = grid.cells_of(table.number, meant[label])
        for metric in (*grid.metrics, INPUTS):
            mean: Kind = "sum" if metric == INPUTS else "mean"
            kinds: dict[str, Kind] = {metric: mean, f"{metric}_mean": mean, f"{metric}_std": "sd"}
            for column, kind in kinds.items():
                if column in table.columns:
                    yield Derived(
                        table.number, None, label, column, row.place, row.cells[column], metric,
                        kind, cells, ddof,
                    )  # fmt: skip


def _metric(table: Table, grid: Grid) -> tuple[str, str] | None:
    """Return the metric of a list of Table 6 and the column its values stand in."""
    title = (table.part or "").lower()
    for metric in grid.metrics:
        if metric in table.columns and "Value" not in table.columns:
            return metric, metric
    words = {metric: metric.lower().split("_") for metric in grid.metrics}
    for metric in sorted(grid.metrics, key=lambda name: -len(words[name])):
        if "Value" in table.columns and all(w in title for w in words[metric] if w != "max"):
            return metric, "Value"
    return None


def _cell(row: Row) -> Cell:
    return row.cells["Model"], row.cells["Category"]


def _listed(table: Table, grid: Grid, metric: str, column: str) -> Iterator[Derived]:
    for rank, row in enumerate(table.rows, 1):
        cell = _cell(row)
        if cell in grid.rows:
            yield Derived(
                6, table.part, f"rank {rank}, {' '.join(cell)}", column, row.place,
                row.cells[column], metric, "cell", (cell,),
            )  # fmt: skip


def _ranking(table: Table, grid: Grid, metric: str) -> Ranking:
    known = [row for row in table.rows if _cell(row) in grid.rows]
    part = table.part or ""
    return Ranking(
        part=part,
        place=table.place,
        metric=metric,
        lowest=bool(re.search(r"\blowest\b", part.lower())),
        cells=tuple(map(_cell, known)),
        places=tuple(row.place for row in known),
    )
