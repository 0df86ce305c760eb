"""Which figure is wrong where the tables contradict one another: as few as explain it all.

A derived figure that differs from what Table 1 gives is wrong itself, or a cell of Table 1 is. One
changed cell contradicts several derived figures at once (its model's mean, its task's mean and
standard deviation, ...), and putting it right settles them all; a changed derived figure stands
alone. So a cell is blamed where its correction settles at least two contradictions and makes none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def blame(derived: Sequence[Derived], rankings: Sequence[Ranking], grid: Grid) -> list[WrongFigure]:
    """Return the wrong figures of a file.

    Args:
        derived: every derived figure, standard deviations with one divisor.
        rankings: the lists of Table 6.
        grid: Table 1.
    """
    wrong: list[WrongFigure] = []
    for metric in (*grid.metrics, INPUTS):
        own = [figure for figure in derived if figure.metric == metric]
        order = [ranking for ranking in rankings if ranking.metric == metric]
        wrong.extend(_blame_one(metric, own, order, grid))
    return wrong


def _blame_one(
    metric: str, own: Sequence[Derived], order: Sequence[Ranking], grid: Grid
) -> Iterator[WrongFigure]:
    values = dict(grid.values[metric])
    while True:
        broken = _broken(own, order, values)
        repairs = list(_repairs(metric, own, order, values, broken, grid)) if broken else []
        several = [repair for repair in repairs if len(repair.settles) > 1]
        if not several:
            break
        best, *others = _best(several, values)
        yield _wrong_cell(metric, best, others, own, order, grid)
        values[best.cell] = best.value
    for number in sorted(broken):
        if number < len(own):
            alone = (repair for repair in repairs if number in repair.settles)
            yield _wrong_derived(own[number], values, sorted({r.cell for r in alone}), grid)
    for ranking in order:
        for row, place, cell, better in ranking.faults(values):
            yield _wrong_order(ranking, (row, place, cell, better), values)


def _broken(own: Sequence[Derived], order: Sequence[Ranking], values: Values) -> frozenset[int]:
    """Return the numbers of the contradictions; those of lists follow those of figures."""
    wrong = {number for number, figure in enumerate(own) if not figure.right(values)}
    wrong |= {len(own) + number for number, ranking in enumerate(order) if ranking.faults(values)}
    return frozenset(wrong)


def _repairs(
    metric: str,
    own: Sequence[Derived],
    order: Sequence[Ranking],
    values: dict[Cell, float],
    broken: frozenset[int],
    grid: Grid,
) -> Iterator[_Repair]:
    """Yield the corrections of one cell that settle something and break nothing."""
    figures = [own[number] for number in sorted(broken) if number < len(own)]
    cells = dict.fromkeys(cell for figure in figures for cell in figure.cells)
    orders = {number for number in broken if number >= len(own)}
    for cell in cells:
        about = [n for n, figure in enumerate(own) if cell in figure.cells]
        trials = np.array(list(_candidates(cell, metric, figures, values, grid)))
        if not len(trials):
            continue
        # [figure, trial]; figures that the cell has no part in stay as they are.
        right = np.array([own[n].right_with(cell, trials, values) for n in about])
        kept = np.array([n in broken for n in about])
        fit = (right | kept[:, None]).all(axis=0) & right.any(axis=0)
        for trial in np.flatnonzero(fit):
            value = float(trials[trial])
            after = {**values, cell: value}
            left = {len(own) + n for n, ranking in enumerate(order) if ranking.faults(after)}
            settled = {n for n, now in zip(about, right[:, trial], strict=True) if now} & broken
            settled |= orders - left
            if settled and not left - orders:
                yield _Repair(cell, value, frozenset(settled))


def _candidates(
    cell: Cell,
    metric: str,
    figures: Iterable[Derived],
    values: Values,
    grid: Grid,
) -> Iterator[float]:
    """Yield values that would settle a figure: where its mean says, and the few beside it."""
    if cell not in values:
        return
    text = grid.rows[cell].cells[metric]
    decimals = decimals_of(text)
    seen: set[float] = set()
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
            if value not in seen and value != values[cell]:
                seen.add(value)
                yield value


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


def _wrong_cell(
    metric: str,
    best: _Repair,
    others: Sequence[_Repair],
    own: Sequence[Derived],
    order: Sequence[Ranking],
    grid: Grid,
) -> WrongFigure:
    row = grid.rows[best.cell]
    against = [
        f"{_table(own[n])}, {own[n].row}, {own[n].column}"
        if n < len(own)
        else f"the order of {order[n - len(own)].part!r}"
        for n in sorted(best.settles)
    ]
    return WrongFigure(
        table="Table 1",
        part=None,
        row=" ".join(best.cell),
        column=metric,
        place=row.place,
        printed=row.cells[metric],
        recomputed=f"{best.value:.{decimals_of(row.cells[metric])}f}",
        kind="cell of Table 1",
        why=f"all these contradict it: {'; '.join(against)}",
        or_else=tuple(f"Table 1, {' '.join(r.cell)}, {metric}" for r in others),
    )


def _wrong_derived(
    figure: Derived, values: Values, cells: Sequence[Cell], grid: Grid
) -> WrongFigure:
    of = {
        "mean": f"the mean of its {len(figure.cells)} cells of Table 1",
        "sum": f"the sum of its {len(figure.cells)} cells of Table 1",
        "sd": f"the standard deviation of its {len(figure.cells)} cells of Table 1, divided by "
        f"{'n - 1' if figure.ddof else 'n'}",
        "cell": "what Table 1 has there",
    }
    return WrongFigure(
        table=_table(figure),
        part=figure.part,
        row=figure.row,
        column=figure.column,
        place=figure.place,
        printed=figure.printed,
        recomputed=figure.recomputed(values),
        kind="derived figure",
        why=f"it is not {of[figure.kind]}",
        or_else=tuple(f"Table 1, {' '.join(cell)}, {figure.metric}" for cell in cells),
    )


def _wrong_order(
    ranking: Ranking, fault: tuple[str, str, Cell, Cell], values: Values
) -> WrongFigure:
    row, place, cell, better = fault
    return WrongFigure(
        table="Table 6",
        part=ranking.part,
        row=row,
        column=ranking.metric,
        place=place,
        printed=f"{' '.join(cell)} ({values[cell]:g})",
        recomputed=f"{' '.join(better)} ({values[better]:g})",
        kind="order",
        why="in Table 1 the second ranks above the first",
    )


def _table(figure: Derived) -> str:
    return f"Table {figure.table}"


def smallest_seen(own: Sequence[Derived], cell: Cell, metric: str, grid: Grid) -> float | None:
    """Return the smallest change of a cell, either way, that some figure would contradict.

    Args:
        own: the derived figures of the metric.
        cell: of Table 1.
        metric: its column.
        grid: Table 1.

    Returns:
        A whole number of units of its last digit, the larger of the two ways; None where no change
        is seen.
    """
    values: Mapping[Cell, float] = grid.values[metric]
    near = [figure for figure in own if cell in figure.cells]
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
