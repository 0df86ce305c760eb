"""Which activity of a spreadsheet's long sheet is wrong, where one explains several figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cortexscope.audit._records import WrongFigure
from cortexscope.audit._workbook import Workbook

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["blame_activity"]

# Sheets with a mean or a sum of each task, and of each model.
_OF_TASKS = {"Task_Summary": "Average_Activity", "Task_Analysis": "Average_Brain_Activity"}
_OF_MODELS = {"Model_Comparison": "Average_Activity", "Model_Profiles": "Average_Activity"}


def blame_activity(
    book: Workbook,
    long: pd.DataFrame,
    wrong: Sequence[WrongFigure],
    compare: Callable[[pd.DataFrame], Iterable[WrongFigure]],
) -> list[WrongFigure]:
    """Return the wrong figures, with one activity in the place of all that it explains.

    It is looked for where exactly one task's mean and one model's are wrong.

    Args:
        book: the spreadsheet.
        long: its long sheet.
        wrong: the figures that do not follow from it.
        compare: recomputes all figures from another long sheet.
    """
    task, model = (_only(wrong, sheets) for sheets in (_OF_TASKS, _OF_MODELS))
    if task is None or model is None:
        return list(wrong)
    rows = long.index[
        (long["Task"].astype(str) == task.row) & (long["Model"].astype(str) == model.row)
    ]
    difference = (float(task.printed) - float(task.recomputed)) * int(
        (long["Task"].astype(str) == task.row).sum()
    )
    tried = []
    for row in rows:
        mended = long.copy()
        mended.loc[row, "Activity_Level"] += difference
        left = [figure for figure in compare(mended) if figure.printed != figure.recomputed]
        tried.append((len(left), int(row), left))
    fewest = min((count for count, _, _ in tried), default=len(wrong))
    if fewest > len(wrong) - 2:
        return list(wrong)
    best, *others = [(row, left) for count, row, left in tried if count == fewest]
    value = float(long["Activity_Level"].to_numpy()[best[0]])
    settled = len(wrong) - fewest
    return [
        WrongFigure(
            table=book.long.title,
            part=None,
            row=_place(long, best[0]),
            column="Activity_Level",
            place=f"{book.path.name}, row {best[0] + 2}",
            printed=f"{value:.10g}",
            recomputed=f"{value + difference:.10g}",
            kind="figure of a spreadsheet",
            why=f"with the recomputed value {settled} more figures of other sheets agree",
            or_else=tuple(_place(long, row) for row, _ in others),
        ),
        *best[1],
    ]


def _only(wrong: Sequence[WrongFigure], sheets: dict[str, str]) -> WrongFigure | None:
    own = [
        figure
        for figure in wrong
        for sheet, column in sheets.items()
        if figure.table == sheet and figure.column == column
    ]
    return own[0] if len(own) == 1 else None


def _place(long: pd.DataFrame, row: int) -> str:
    cells = long.loc[row]
    return f"{cells['Task']}, {cells['Model']}, {cells['Brain_Region']}"
