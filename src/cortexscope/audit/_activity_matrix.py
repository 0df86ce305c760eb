"""The spreadsheets' matrix of tasks and models, and what sums up its rows and columns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cortexscope.audit._activity_rules import compared, near
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

    Only models and tasks of `active`, which have an activity other than 0, count in the margins.
    """
    known = set(active["Model"].astype(str))
    models = [name for name in sheet.columns if name in set(long["Model"].astype(str))]
    real_models = [name for name in models if name in known]
    tasks, real = (list(dict.fromkeys(f["Task"].astype(str))) for f in (long, active))
    means = long.groupby(["Task", "Model"], sort=False)["Activity_Level"].mean()
    cells = {task: {m: float(means.get((task, m), 0.0)) for m in models} for task in tasks}
    average, over_all = (
        {m: statistics.fmean(cells[task][m] for task in own) for m in models}
        for own in (real, tasks)
    )
    for number, row in enumerate(sheet.rows, 2):
        printed = dict(zip(sheet.columns, row, strict=True))
        task = str(printed["Task"])
        if task == _RANK:
            ranked = [average[model] for model in real_models]
            why = f"it is not its rank of the {counted(len(ranked), 'model')}"
            for model, value in zip(real_models, ranked, strict=True):
                due = 1 + sum(v > value for v in ranked) + (ranked.count(value) - 1) / 2
                yield compared(book, sheet, number, task, model, printed[model], due, why)
        if task not in cells and task != _AVERAGE:
            continue
        own, both = (average, over_all) if task == _AVERAGE else (cells[task], cells[task])
        for model, value in own.items():
            why = f"it is not the mean of its rows in the sheet {book.long.title}"
            if task == _AVERAGE:
                why = f"it is not the mean over the {counted(len(real), 'task')} with an activity"
                if near(printed[model], both[model]):
                    why += f" other than 0, but over {len(tasks)}"
            yield compared(book, sheet, number, task, model, printed[model], value, why)
        of = real_models if real_models and (task in real or task == _AVERAGE) else models
        chosen = [own[model] for model in of]
        for column in (name for name in _SUMMED if name in printed):
            why = _why(column, printed[column], chosen, list(both.values()))
            due = _SUMMED[column](chosen)
            yield compared(book, sheet, number, task, column, printed[column], due, why)


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
