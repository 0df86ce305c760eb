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

from cortexscope.audit._grid import INPUTS, Cell, Grid, unlike_pair
from cortexscope.audit._published import Published, Row, Table
from cortexscope.audit._rounding import agreeing, agrees, is_number, shown, unit_of

__all__ = ["Derived", "Ranking", "Values", "derive", "find_ddof", "loosened"]

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
        if not is_number(self.printed):
            return np.zeros(len(trials), dtype=bool)
        others = [values[own] for own in self.cells if own != cell and own in values]
        own = np.vstack([np.tile(np.array(others)[:, None], len(trials)), trials])
        return agreeing(self.printed, self._made(own), slack=self.slack)

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


def derive(published: Published, grid: Grid) -> tuple[list[Derived], list[Ranking]]:
    """Return the derived figures of a file; standard deviations once with each divisor's `ddof`.

    A row whose label is not in Table 1, and is not the only odd one, has no figures here.
    """
    found: list[Derived] = []
    rankings: list[Ranking] = []
    for table in published.tables:
        if table.number == 2:
            found.extend(_models(table, grid))
        elif table.number == 3:
            found.extend(_tasks(table, grid))
        elif table.number in (4, 5):
            found.extend(_groups(table, grid))
        elif table.number == 6:
            found.extend(_listed(table, grid))
            rankings.extend(_ranking(table, grid))
    return found, rankings


def loosened(figure: Derived, grid: Grid) -> Derived:
    """Return the figure as one that may have been made of the cells before they were rounded."""
    rows = [grid.rows[cell] for cell in figure.cells if cell in grid.rows]
    texts = [row.cells[figure.metric] for row in rows]
    half = 0.5 * max((unit_of(text) for text in texts if is_number(text)), default=0.0)
    n = len(texts)
    if figure.kind == "sd" and n > figure.ddof:
        half *= math.sqrt(n / (n - figure.ddof))
    return replace(figure, slack=half if figure.kind in ("mean", "sd") else 0.0)


def find_ddof(derived: Sequence[Derived], grid: Grid) -> tuple[int, dict[int, int], int]:
    """Return the divisor's ddof that fits more standard deviations, the fits of each, and all."""
    fits = {
        ddof: sum(
            figure.right(grid.values[figure.metric])
            for figure in derived
            if figure.kind == "sd" and figure.ddof == ddof
        )
        for ddof in (0, 1)
    }
    total = sum(figure.kind == "sd" and figure.ddof == 0 for figure in derived)
    return (0 if fits[0] > fits[1] else 1), fits, total


def _models(table: Table, grid: Grid) -> Iterator[Derived]:
    labels = unlike_pair([row.cells["Model"] for row in table.rows], list(grid.models))
    for row in table.rows:
        label = row.cells["Model"]
        if label in labels:
            cells = tuple((labels[label], task) for task in grid.tasks)
            yield from _row(table, row, label, cells, grid)


def _groups(table: Table, grid: Grid) -> Iterator[Derived]:
    fact = "Architecture" if table.number == 4 else "Parameters"
    known = list(dict.fromkeys(grid.facts[model].get(fact, "") for model in grid.models))
    labels = unlike_pair([row.cells[fact] for row in table.rows], known)
    for row in table.rows:
        label = row.cells[fact]
        if label in labels:
            models = grid.of(fact, labels[label])
            cells = tuple((model, task) for model in models for task in grid.tasks)
            yield from _row(table, row, label, cells, grid)


def _row(
    table: Table, row: Row, label: str, cells: tuple[Cell, ...], grid: Grid
) -> Iterator[Derived]:
    for metric in (*grid.metrics, INPUTS):
        if metric in table.columns:
            kind: Kind = "sum" if metric == INPUTS else "mean"
            printed = row.cells[metric]
            yield Derived(
                table.number, None, label, metric, row.place, printed, metric, kind, cells
            )


def _tasks(table: Table, grid: Grid) -> Iterator[Derived]:
    labels = unlike_pair([row.cells["Category"] for row in table.rows], list(grid.tasks))
    for row in table.rows:
        label = row.cells["Category"]
        if label not in labels:
            continue
        cells = tuple((model, labels[label]) for model in grid.models)
        for metric in grid.metrics:
            for ending, kind, ddofs in (("_mean", "mean", (0,)), ("_std", "sd", (0, 1))):
                column = metric + ending
                for ddof in ddofs if column in table.columns else ():
                    yield Derived(
                        table=table.number,
                        part=None,
                        row=label,
                        column=column,
                        place=row.place,
                        printed=row.cells[column],
                        metric=metric,
                        kind="sd" if kind == "sd" else "mean",
                        cells=cells,
                        ddof=ddof,
                    )


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


def _listed(table: Table, grid: Grid) -> Iterator[Derived]:
    found = _metric(table, grid)
    for rank, row in enumerate(table.rows, 1):
        if found and _cell(row) in grid.rows:
            yield Derived(
                table=6,
                part=table.part,
                row=f"rank {rank}, {' '.join(_cell(row))}",
                column=found[1],
                place=row.place,
                printed=row.cells[found[1]],
                metric=found[0],
                kind="cell",
                cells=(_cell(row),),
            )


def _ranking(table: Table, grid: Grid) -> Iterator[Ranking]:
    found = _metric(table, grid)
    if found:
        known = [row for row in table.rows if _cell(row) in grid.rows]
        yield Ranking(
            part=table.part or "",
            place=table.place,
            metric=found[0],
            lowest=bool(re.search(r"\blowest\b", (table.part or "").lower())),
            cells=tuple(_cell(row) for row in known),
            places=tuple(row.place for row in known),
        )
