"""Recompute the study's other spreadsheets from their long sheet, an activity in a row.

Their sheets are sums, means and counts of the activities of brain regions, a row a task, model and
region. Activities are printed in full, so that every figure can be told to nine digits.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.audit._activity_rules import OVERVIEW, OVERVIEWS, SHEETS, Rule, words
from cortexscope.audit._records import WrongFigure
from cortexscope.audit._workbook import Sheet, Workbook
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Activities", "check_activities"]

_CLOSE = 1e-9
Due = float | int | frozenset[str]
"""What a figure should be: a number, or one of several names."""


class Activities(NamedTuple):
    """What is found of a spreadsheet's figures."""

    figures: int
    wrong: tuple[WrongFigure, ...]
    undetermined: str
    """What is not recomputed, in a sentence."""


def check_activities(book: Workbook) -> Activities:
    """Recompute every sum, mean, spread, count and top of a spreadsheet from its long sheet.

    Where several figures are wrong by the same amount because one activity of the long sheet is,
    that activity is named in their place, with all that would explain as much.

    Raises:
        UsageError: if an activity is no number.
    """
    from cortexscope.audit._activity_blame import blame_activity

    long = _frame(book.path, book.long)
    compared = list(_compare(book, long))
    wrong = [figure for figure in compared if figure.printed != figure.recomputed]
    if wrong:
        wrong = blame_activity(book, long, wrong, lambda frame: _compare(book, frame))
    return Activities(len(compared), tuple(wrong), _not_recomputed(book))


def _not_recomputed(book: Workbook) -> str:
    known = {book.long.title, *SHEETS, *OVERVIEWS, "Performance_Matrix"}
    others = [sheet.title for sheet in book.sheets if sheet.title not in known]
    return (
        f"{book.path.name}: sums, means, spreads, counts and tops are recomputed from the sheet "
        f"{book.long.title}; the activities in it, scores, ranks and insights are not, nor the "
        f"sheets {', '.join(others) or 'of other names (there are none)'}."
    )


def _frame(path: Path, sheet: Sheet) -> pd.DataFrame:
    """Return the long sheet as a frame, of a name's first column only."""
    import pandas as pd

    frame = pd.DataFrame({name: sheet.column(name) for name in sheet.columns if name})
    levels = sheet.column("Activity_Level")
    for number, level in enumerate(levels, 2):
        if not isinstance(level, int | float):
            raise UsageError(
                f"{path.name}, sheet {sheet.title!r}, row {number}: Activity_Level is {level!r}, "
                "which is no number; give the file as it was published."
            )
    return frame.assign(Activity_Level=[float(str(level)) for level in levels])


def _compare(book: Workbook, long: pd.DataFrame) -> Iterator[WrongFigure]:
    """Yield every comparison; printed and recomputed are the same text where the two agree."""
    for sheet in book.sheets:
        if sheet.title in OVERVIEWS:
            yield from _overview(book, sheet, long)
        for column, rule in SHEETS.get(sheet.title, {}).items():
            if {rule.key, column} <= set(sheet.columns) and rule.key in long.columns:
                made, why = _made(rule, long), words(rule, book.long.title)
                rows = zip(sheet.column(rule.key), sheet.column(column), strict=True)
                for number, (key, printed) in enumerate(rows, 2):
                    if str(key) in made:
                        due = made[str(key)]
                        yield _compared(book, sheet, number, str(key), column, printed, due, why)
        if sheet.title == "Performance_Matrix":
            yield from _matrix(book, sheet, long)


def _overview(book: Workbook, sheet: Sheet, long: pd.DataFrame) -> Iterator[WrongFigure]:
    whole = long.assign(**{"": ""})
    for number, (name, printed, *_) in enumerate(sheet.rows, 2):
        rule = OVERVIEW.get(str(name))
        if rule is not None:
            due, why = _made(rule, whole)[""], words(rule, book.long.title)
            if rule.how == "active" and not _agree(printed, float(str(due))):
                still = long.groupby(rule.of)["Activity_Level"].apply(lambda own: (own == 0).all())
                names = [str(of) for of in still.index[still]]
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                why += f"; without any: {', '.join(names[:3])}{more}"
            yield _compared(book, sheet, number, str(name), "Value", printed, due, why)


def _made(rule: Rule, long: pd.DataFrame) -> dict[str, Due]:
    groups = long.groupby(rule.key, sort=False)["Activity_Level"]
    match rule.how:
        case "sum":
            found = groups.sum()
        case "mean":
            found = groups.mean()
        case "sd":
            found = groups.std().fillna(0.0)
        case "variance":
            found = groups.var().fillna(0.0)
        case "range":
            found = groups.max() - groups.min()
        case "rows":
            found = groups.size()
        case "distinct":
            found = long.groupby(rule.key, sort=False)[rule.of].nunique()
        case "active":
            found = long[long["Activity_Level"] != 0].groupby(rule.key)[rule.of].nunique()
            found = found.reindex(groups.size().index, fill_value=0)
        case _:
            means = long.groupby([rule.key, rule.of], sort=False)["Activity_Level"].mean()
            found = means.groupby(level=0).max()
            if rule.how == "name of top":
                tops = {str(key): float(value) for key, value in found.items()}
                return _names(means.unstack(), tops)
    return {str(key): float(value) for key, value in found.items()}


def _names(means: pd.DataFrame, tops: Mapping[str, float]) -> dict[str, Due]:
    """Return the names whose mean is the top one; several where they tie."""
    return {
        str(key): frozenset(
            str(name) for name, value in own.items() if _near(value, tops[str(key)])
        )
        for key, own in means.to_dict("index").items()
    }


def _matrix(book: Workbook, sheet: Sheet, long: pd.DataFrame) -> Iterator[WrongFigure]:
    """Compare the matrix of tasks and models, and the columns that sum up its rows."""
    models = [name for name in sheet.columns if name in set(long["Model"].astype(str))]
    means = long.groupby(["Task", "Model"], sort=False)["Activity_Level"].mean()
    places = {name: place for place, name in enumerate(sheet.columns)}
    for number, row in enumerate(sheet.rows, 2):
        task = str(row[places["Task"]])
        if task not in set(long["Task"].astype(str)):
            continue
        own = [float(means.get((task, model), 0.0)) for model in models]
        for model, value in zip(models, own, strict=True):
            printed = row[places[model]]
            why = f"it is not the mean of its rows in the sheet {book.long.title}"
            yield _compared(book, sheet, number, task, model, printed, value, why)
        mean, sd = statistics.fmean(own), _sd(own)
        due = {"Task_Avg": mean, "Task_Max": max(own), "Task_Min": min(own), "Task_Std": sd}
        summed = [due[name] for name in ("Task_Avg", "Task_Max", "Task_Min")]
        for column in (name for name in due if name in places):
            printed = row[places[column]]
            why = f"it is not that of the row's {len(own)} models"
            if column == "Task_Std" and _agree(printed, _sd([*own, *summed])):
                why += ", but of these together with Task_Avg, Task_Max and Task_Min"
            yield _compared(book, sheet, number, task, column, printed, due[column], why)


def _sd(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _compared(
    book: Workbook,
    sheet: Sheet,
    number: int,
    row: str,
    column: str,
    printed: object,
    due: Due,
    why: str,
) -> WrongFigure:
    shown, recomputed = _texts(printed, due)
    return WrongFigure(
        table=sheet.title,
        part=None,
        row=row,
        column=column,
        place=f"{book.path.name}, row {number}",
        printed=shown,
        recomputed=recomputed,
        kind="figure of a spreadsheet",
        why=why,
    )


def _texts(printed: object, due: Due) -> tuple[str, str]:
    """Return both as texts, the same where they agree."""
    text = "" if printed is None else str(printed).strip()
    if isinstance(due, frozenset):
        return text, text if text in due else " or ".join(sorted(due))
    return text, text if _agree(printed, due) else f"{due:.15g}"


def _agree(printed: object, due: float) -> bool:
    return isinstance(printed, int | float) and _near(float(printed), due)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= _CLOSE * max(1.0, abs(other))
