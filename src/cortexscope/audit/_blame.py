"""Which figure is wrong where the tables contradict one another: as few as explain it all.

A derived figure that differs from what Table 1 gives is wrong itself, or a cell of Table 1 is. One
changed cell contradicts several derived figures at once (its model's mean, its task's mean and
standard deviation, ...), and putting it right settles them all; a changed derived figure stands
alone. So a cell is blamed where its correction settles at least two contradictions and makes none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cortexscope.audit._grid import INPUTS, Cell, Grid
from cortexscope.audit._recompute import Derived, Ranking, Values
from cortexscope.audit._records import WrongFigure
from cortexscope.audit._rounding import decimals_of, is_number

__all__ = ["blame", "smallest_seen"]

# Figures of more digits than this are doubles in full, for which there is no next one.
_PRINTED = 9
_WINDOW = 60


@dataclass(frozen=True, slots=True)
class _Repair:
    cell: Cell
    value: float
    settles: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of Table 1 and what is made of it; contradictions of lists follow those of figures.

    `values` change as cells are put right.
    """

    metric: str
    own: Sequence[Derived]
    order: Sequence[Ranking]
    grid: Grid
    values: dict[Cell, float]

    def printed(self, cell: Cell) -> str:
        return self.grid.rows[cell].cells[self.metric]

    def disordered(self, values: Values) -> frozenset[int]:
        """Return the numbers of the lists that are out of order."""
        return frozenset(
            len(self.own) + n for n, ranking in enumerate(self.order) if ranking.faults(values)
        )

    def wrong(self) -> Iterator[WrongFigure]:
        while True:
            wrong = (n for n, figure in enumerate(self.own) if not figure.right(self.values))
            broken = frozenset(wrong) | self.disordered(self.values)
            repairs = list(self._repairs(broken)) if broken else []
            several = [repair for repair in repairs if len(repair.settles) > 1]
            if not several:
                break
            best, *others = _best(several, self.values)
            yield self._wrong_cell(best, others)
            self.values[best.cell] = best.value
        for number in sorted(broken):
            if number < len(self.own):
                alone = {repair.cell for repair in repairs if number in repair.settles}
                yield _wrong_derived(self.own[number], self.values, sorted(alone))
        for ranking in self.order:
            for fault in ranking.faults(self.values):
                yield _wrong_order(ranking, *fault, self.values)

    def _repairs(self, broken: frozenset[int]) -> Iterator[_Repair]:
        """Yield the corrections of one cell that settle something and break nothing."""
        figures = [self.own[number] for number in sorted(broken) if number < len(self.own)]
        orders = {number for number in broken if number >= len(self.own)}
        for cell in dict.fromkeys(cell for figure in figures for cell in figure.cells):
            about = [n for n, figure in enumerate(self.own) if cell in figure.cells]
            trials = np.array(list(self._candidates(cell, figures)))
            if not len(trials):
                continue
            # [figure, trial]; figures that the cell has no part in stay as they are.
            right = np.array([self.own[n].right_with(cell, trials, self.values) for n in about])
            kept = np.array([n in broken for n in about])
            fit = (right | kept[:, None]).all(axis=0) & right.any(axis=0)
            for trial in np.flatnonzero(fit):
                value = float(trials[trial])
                left = self.disordered({**self.values, cell: value})
                settled = {n for n, now in zip(about, right[:, trial], strict=True) if now} & broken
                settled |= orders - left
                if settled and not left - orders:
                    yield _Repair(cell, value, frozenset(settled))

    def _candidates(self, cell: Cell, figures: Iterable[Derived]) -> Iterator[float]:
        """Yield values that would settle a figure: where its mean says, and the few beside it."""
        values = self.values
        if cell not in values:
            return
        decimals = decimals_of(self.printed(cell))
        seen = {values[cell]}
        for figure in figures:
            if cell not in figure.cells or not is_number(figure.printed):
                continue
            count = sum(other in values for other in figure.cells)
            centre, reach = values[cell], count
            if figure.kind != "sd":
                weight = count if figure.kind == "mean" else 1
                centre += (float(figure.printed) - figure.expected(values)) * weight
                coarser = 10.0 ** (decimals - decimals_of(figure.printed))
                reach = int(weight / 2 * coarser) + 1 if figure.kind == "mean" else 0
            reach = min(reach, _WINDOW) if decimals <= _PRINTED else 0
            for step in range(-reach, reach + 1):
                value = round(centre + step * 10.0**-decimals, decimals)
                if value not in seen:
                    seen.add(value)
                    yield value

    def _wrong_cell(self, best: _Repair, others: Sequence[_Repair]) -> WrongFigure:
        against = [
            f"Table {self.own[n].table}, {self.own[n].row}, {self.own[n].column}"
            if n < len(self.own)
            else f"the order of {self.order[n - len(self.own)].part!r}"
            for n in sorted(best.settles)
        ]
        printed = self.printed(best.cell)
        return WrongFigure(
            table="Table 1",
            part=None,
            row=" ".join(best.cell),
            column=self.metric,
            place=self.grid.rows[best.cell].place,
            printed=printed,
            recomputed=f"{best.value:.{decimals_of(printed)}f}",
            kind="cell of Table 1",
            why=f"all these contradict it: {'; '.join(against)}",
            or_else=tuple(f"Table 1, {' '.join(r.cell)}, {self.metric}" for r in others),
        )


def blame(derived: Sequence[Derived], rankings: Sequence[Ranking], grid: Grid) -> list[WrongFigure]:
    """Return the wrong figures of a file, of all it derives and with one divisor for the sds."""
    wrong: list[WrongFigure] = []
    for metric in (*grid.metrics, INPUTS):
        own = [figure for figure in derived if figure.metric == metric]
        order = [ranking for ranking in rankings if ranking.metric == metric]
        wrong.extend(_Column(metric, own, order, grid, dict(grid.values[metric])).wrong())
    return wrong


def _best(repairs: Sequence[_Repair], values: Values) -> list[_Repair]:
    """Return the correction that settles most, then that of other cells that settle as much.

    Of several values of one cell the middle one stands for all. Among cells that explain as much,
    the one comes first whose correction makes the column most alike: 2, 2, 3, 2 was 2, 2, 2, 2.
    """
    most = max(len(repair.settles) for repair in repairs)
    by_cell: dict[Cell, list[_Repair]] = {}
    for repair in repairs:
        if len(repair.settles) == most:
            by_cell.setdefault(repair.cell, []).append(repair)
    common = Counter(values.values()).most_common(1)[0][0]
    middle = [sorted(own, key=lambda r: r.value)[len(own) // 2] for own in by_cell.values()]
    return sorted(middle, key=lambda r: (r.value != common, -len(by_cell[r.cell])))


def _wrong_derived(figure: Derived, values: Values, cells: Sequence[Cell]) -> WrongFigure:
    its_cells = f"its {len(figure.cells)} cells of Table 1"
    of = {
        "mean": f"the mean of {its_cells}",
        "sum": f"the sum of {its_cells}",
        "sd": f"the standard deviation of {its_cells}, divided by "
        f"{'n - 1' if figure.ddof else 'n'}",
        "cell": "what Table 1 has there",
    }
    return WrongFigure(
        f"Table {figure.table}", figure.part, figure.row, figure.column, figure.place,
        figure.printed, figure.recomputed(values), "derived figure", f"it is not {of[figure.kind]}",
        tuple(f"Table 1, {' '.join(cell)}, {figure.metric}" for cell in cells),
    )  # fmt: skip


def _wrong_order(
    ranking: Ranking, row: str, place: str, cell: Cell, better: Cell, values: Values
) -> WrongFigure:
    printed, due = (f"{' '.join(own)} ({values[own]:g})" for own in (cell, better))
    why = "in Table 1 the second ranks above the first"
    return WrongFigure(
        "Table 6", ranking.part, row, ranking.metric, place, printed, due, "order", why
    )


def smallest_seen(own: Sequence[Derived], cell: Cell, metric: str, grid: Grid) -> float | None:
    """Return the smallest change of a cell of a metric that some figure of it would contradict.

    Returns:
        A whole number of units of its last digit, the larger of the two ways; None where no change
        is seen.
    """
    values = grid.values[metric]
    # What is undefined, such as the spread of one model, is so whatever a cell is.
    near = [figure for figure in own if cell in figure.cells and is_number(figure.printed)]
    if cell not in values or not near:
        return None
    unit = 10.0 ** -decimals_of(grid.rows[cell].cells[metric])
    return unit * max(_first(near, cell, values, way * unit) for way in (1, -1))


def _first(near: Sequence[Derived], cell: Cell, values: Values, unit: float) -> int:
    """Return the fewest units that a cell is off when some figure is wrong."""
    low, high = 0, 0
    steps = 2 ** np.arange(60)
    while high - low != 1:
        trials = values[cell] + steps.astype(np.float64) * unit
        seen = ~np.all([figure.right_with(cell, trials, values) for figure in near], axis=0)
        first = int(np.argmax(seen))
        low, high = (int(steps[first - 1]) if first else low), int(steps[first])
        steps = np.unique(np.linspace(low, high, 65).astype(np.int64))[1:]
    return high
