"""The spreadsheets' matrix of tasks and models, and what sums up its rows and columns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cortexscope.audit._activity_figures import compared, near
from cortexscope.audit._records import WrongFigure
from cortexscope.audit._words import counted
from cortexscope.audit._workbook import Sheet, Workbook

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare_matrix"]

_AVERAGE, _RANK = "Model_Avg", "Model_Rank"


def _sd(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


_SUMMED: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Task_Avg": statistics.fmean,
    "Task_Max": max,
    "Task_Min": min,
    "Task_Std": _sd,
}


def compare_matrix(
    book: Workbook, sheet: Sheet, long: pd.DataFrame, active: pd.DataFrame
) -> Iterator[WrongFigure]:
    """Compare its cells with means of the long sheet, and its margins with its cells.

    Args:
        book: the spreadsheet.
        sheet: the matrix.
        long: the long sheet.
        active: its rows of models, tasks and regions with an activity other than 0.
    """
    models = [name for name in sheet.columns if name in set(long["Model"].astype(str))]
    known = set(active["Model"].astype(str))
    tasks, real = (list(dict.fromkeys(f["Task"].astype(str))) for f in (long, active))
    means = long.groupby(["Task", "Model"], sort=False)["Activity_Level"].mean()
    cells = {task: {m: float(means.get((task, m), 0.0)) for m in models} for task in tasks}
    over_tasks = {
        which: {m: statistics.fmean(cells[task][m] for task in own) for m in models}
        for which, own in (("real", real), ("all", tasks))
    }
    places = {name: place for place, name in enumerate(sheet.columns)}
    for number, row in enumerate(sheet.rows, 2):
        task = str(row[places["Task"]])
        if task == _RANK:
            ranked = [over_tasks["real"][m] for m in models if m in known]
            for model in (m for m in models if m in known):
                printed, value = row[places[model]], over_tasks["real"][model]
                due = 1 + sum(v > value for v in ranked) + (ranked.count(value) - 1) / 2
                why = f"it is not its rank of the {counted(len(ranked), 'model')}"
                yield compared(book, sheet, number, task, model, printed, due, why)
            continue
        if task not in cells and task != _AVERAGE:
            continue
        own = over_tasks["real"] if task == _AVERAGE else cells[task]
        both = over_tasks["all"] if task == _AVERAGE else cells[task]
        for model, value in own.items():
            printed = row[places[model]]
            why = f"it is not the mean of its rows in the sheet {book.long.title}"
            if task == _AVERAGE:
                why = f"it is not the mean over the {counted(len(real), 'task')} with an activity"
                if near(printed, both[model]):
                    why += f" other than 0, but over {len(tasks)}"
            yield compared(book, sheet, number, task, model, printed, value, why)
        chosen = [m for m in models if m in known and (task in real or task == _AVERAGE)] or models
        for column in (name for name in _SUMMED if name in places):
            due = _SUMMED[column]([own[m] for m in chosen])
            printed = row[places[column]]
            why = _why(column, printed, [own[m] for m in chosen], list(both.values()))
            yield compared(book, sheet, number, task, column, printed, due, why)


def _why(column: str, printed: object, chosen: Sequence[float], every: Sequence[float]) -> str:
    """Return that it is not the figure of the models, and what it is of instead."""
    said = f"it is not that of the row's {counted(len(chosen), 'model')}"
    said += " with an activity other than 0" if len(chosen) < len(every) else ""
    make = _SUMMED[column]
    margins = [statistics.fmean(every), max(every), min(every)]
    if near(printed, make(every)):
        return f"{said}, but of all {len(every)} columns of models"
    if near(printed, make([*every, *margins])):
        columns = f"all {len(every)} columns of models" if len(chosen) < len(every) else "these"
        return f"{said}, but of {columns} together with Task_Avg, Task_Max and Task_Min"
    return said
