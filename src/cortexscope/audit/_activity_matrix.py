"""The spreadsheets' matrix of tasks and models, and what sums up its rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cortexscope.audit._activity_rules import compared, near
from cortexscope.audit._records import WrongFigure
from cortexscope.audit._words import counted
from cortexscope.audit._workbook import Sheet, Workbook

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare_matrix"]

_AVERAGE, _RANK = "Model_Avg", "Model_Rank"
_SUMMED = {"Task_Avg": "mean", "Task_Max": "max", "Task_Min": "min", "Task_Std": "std"}
"""By column the statistic of a row as pandas names it."""


def compare_matrix(
    book: Workbook, sheet: Sheet, long: pd.DataFrame, active: pd.DataFrame
) -> Iterator[WrongFigure]:
    """Compare its cells with means of the long sheet, and its margins with its cells.

    Only models and tasks of `active`, which have an activity other than 0, count in the margins.
    """
    cells = long.astype({"Task": str, "Model": str}).pivot_table(
        "Activity_Level", "Task", "Model", fill_value=0.0, sort=False
    )
    names = [name for name in sheet.columns if name in cells]
    cells = cells[names]
    by_task = {str(task): row for task, row in cells.iterrows()}
    real_tasks, real_models = (set(active[name].astype(str)) for name in ("Task", "Model"))
    tasks = [task for task in by_task if task in real_tasks]
    models = [name for name in names if name in real_models]
    average, over_all = cells.loc[tasks].mean(), cells.mean()
    for number, row in enumerate(sheet.rows, 2):
        printed = dict(zip(sheet.columns, row, strict=True))
        task = str(printed["Task"])
        if task == _RANK:
            why = f"it is not its rank of the {counted(len(models), 'model')}"
            ranks = average[models].rank(ascending=False)
            for model in models:
                due = float(ranks[model])
                yield compared(book, sheet, number, task, model, printed[model], due, why)
        if task not in by_task and task != _AVERAGE:
            continue
        own = average if task == _AVERAGE else by_task[task]
        every = over_all if task == _AVERAGE else own
        for model in names:
            why = f"it is not the mean of its rows in the sheet {book.long.title}"
            if task == _AVERAGE:
                why = f"it is not the mean over the {counted(len(tasks), 'task')} with an activity"
                if near(printed[model], every[model]):
                    why += f" other than 0, but over {len(cells)}"
            due = float(own[model])
            yield compared(book, sheet, number, task, model, printed[model], due, why)
        chosen = own[models] if models and (task in tasks or task == _AVERAGE) else own
        for column in (name for name in _SUMMED if name in printed):
            why, due = _why(column, printed[column], chosen, every), _made(column, chosen)
            yield compared(book, sheet, number, task, column, printed[column], due, why)


def _made(column: str, values: pd.Series[float]) -> float:
    """Return a margin of a row; the spread of one value is 0."""
    return 0.0 if len(values) < 2 and column == "Task_Std" else float(values.agg(_SUMMED[column]))


def _why(column: str, printed: object, chosen: pd.Series[float], every: pd.Series[float]) -> str:
    """Return that it is not the figure of the models, and what it is of instead."""
    import pandas as pd

    said = f"it is not that of the row's {counted(len(chosen), 'model')}"
    said += " with an activity other than 0" if len(chosen) < len(every) else ""
    if near(printed, _made(column, every)):
        return f"{said}, but of all {len(every)} columns of models"
    margins = every.agg(["mean", "max", "min"])
    if near(printed, _made(column, pd.concat([every, margins]))):
        columns = f"all {len(every)} columns of models" if len(chosen) < len(every) else "these"
        return f"{said}, but of {columns} together with Task_Avg, Task_Max and Task_Min"
    return said
