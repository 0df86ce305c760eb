"""Recompute the study's other spreadsheets from their long sheet, an activity in a row.

Their sheets are sums, means and counts of the activities of brain regions, a row a task, model and
region. Activities are printed in full, so that every figure can be told to nine digits. What has no
activity other than 0 is no model, task or region: figures are recomputed over the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.audit._activity_matrix import compare_matrix
from cortexscope.audit._activity_rules import (
    COLUMNS,
    KEYS,
    OVERVIEW,
    OVERVIEWS,
    Due,
    Rule,
    compared,
    made,
    near,
)
from cortexscope.audit._records import Checked, Convention, WrongFigure
from cortexscope.audit._words import counted
from cortexscope.audit._workbook import Sheet, Workbook
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_activities"]

_NAMES = ("Model", "Task", "Brain_Region")
_MEANS = ("Average_Activity", "Average_Brain_Activity")
# Below this an activity is the rounding of 0.
_NOTHING = 1e-12


def check_activities(book: Workbook) -> Checked:
    """Recompute every sum, mean, spread, count and top of a spreadsheet from its long sheet.

    Where several figures are wrong by the same amount because one activity of the long sheet is,
    that activity is named in their place, with all that would explain as much.

    Raises:
        UsageError: if an activity is no number.
    """
    long = _frame(book.path, book.long)
    found = list(_compare(book, long))
    wrong = _blame_activity(book, long, _wrong(found))
    left_out = tuple(_left_out(book, long))
    return Checked(len(found), tuple(wrong), left_out, (_not_recomputed(book),))


def _wrong(found: Sequence[WrongFigure]) -> list[WrongFigure]:
    return [figure for figure in found if figure.printed != figure.recomputed]


def _not_recomputed(book: Workbook) -> str:
    known = {book.long.title, *KEYS, *OVERVIEWS, "Performance_Matrix"}
    others = [sheet.title for sheet in book.sheets if sheet.title not in known]
    return (
        f"{book.path.name}: sums, means, spreads, counts and tops are recomputed from the sheet "
        f"{book.long.title}; the activities in it, scores and insights are not, nor the "
        f"sheets {', '.join(others) or 'of other names (there are none)'}."
    )


def _active(long: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models, tasks and regions that have an activity other than 0.

    Where nothing has one, nothing tells what is left out: all rows then.
    """
    some = long[long["Activity_Level"] != 0]
    kept = [long[name].isin(set(some[name])) for name in _NAMES]
    return long[kept[0] & kept[1] & kept[2]] if len(some) else long


def _left_out(book: Workbook, long: pd.DataFrame) -> Iterator[Convention]:
    active = _active(long)
    if len(active) == len(long):
        return
    parts = []
    for name in _NAMES:
        all_, known = (list(dict.fromkeys(map(str, frame[name]))) for frame in (long, active))
        gone = [one for one in all_ if one not in known]
        if gone:
            more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
            of = counted(len(all_), name.lower().replace("_", " "))
            parts.append(f"{len(gone)} of {of} ({', '.join(gone[:3])}{more})")
    rows = f"{len(long) - len(active)} of {len(long)} rows"
    found = f"{rows} are of what has no activity other than 0: {'; '.join(parts)}. Figures are "
    found += f"recomputed over the other {len(active)} rows"
    tops = active["Activity_Level"].abs().groupby(active["Brain_Region"]).max()
    for region, top in tops.items():
        if top < _NOTHING:
            found += f"; {region}, which is counted, reaches {top:.2g} at most, the rounding of 0"
    yield Convention(f"Sheet {book.long.title} of {book.path.name}", found)


def _frame(path: Path, sheet: Sheet) -> pd.DataFrame:
    """Return the long sheet as a frame, of a name's first column only.

    Its column without a name is empty, so that all rows have one value in common.
    """
    import pandas as pd

    frame = pd.DataFrame({name: sheet.column(name) for name in sheet.columns if name})
    levels = sheet.column("Activity_Level")
    for number, level in enumerate(levels, 2):
        if not isinstance(level, int | float):
            raise UsageError(
                f"{path.name}, sheet {sheet.title!r}, row {number}: Activity_Level is {level!r}, "
                "which is no number; give the file as it was published."
            )
    return frame.assign(Activity_Level=[float(str(level)) for level in levels], **{"": ""})


def _compare(book: Workbook, long: pd.DataFrame) -> Iterator[WrongFigure]:
    """Yield every comparison; printed and recomputed are the same text where the two agree."""
    active = _active(long)
    for sheet in book.sheets:
        if sheet.title in OVERVIEWS:
            yield from _overview(book, sheet, long, active)
        elif sheet.title == "Performance_Matrix":
            yield from compare_matrix(book, sheet, long, active)
        key = KEYS.get(sheet.title)
        if key is None or key not in sheet.columns or key not in long.columns:
            continue
        for column in dict.fromkeys(name for name in sheet.columns if name in COLUMNS):
            # What is left out has figures of its own rows.
            due, both = (made(COLUMNS[column], rows, key) for rows in (active, long))
            why = COLUMNS[column].words(key, book.long.title)
            rows = zip(map(str, sheet.column(key)), sheet.column(column), strict=True)
            for number, (row, printed) in enumerate(rows, 2):
                if row in both:
                    own = due.get(row, both[row])
                    figure = compared(book, sheet, number, row, column, printed, own, why)
                    yield _explained(figure, printed, both[row])


def _overview(
    book: Workbook, sheet: Sheet, long: pd.DataFrame, active: pd.DataFrame
) -> Iterator[WrongFigure]:
    for number, (name, printed, *_) in enumerate(sheet.rows, 2):
        rule = OVERVIEW.get(str(name))
        if str(name) == "Failed Models":
            yield from _failed(book, sheet, number, printed)
        elif rule is not None:
            computed = made(rule, active, "")[""], rule.words("", book.long.title)
            due, why = _hardest(book, rule) or computed
            why += _pairs(book, long, printed) if str(name) == "Successful Models" else ""
            figure = compared(book, sheet, number, str(name), "Value", printed, due, why)
            yield _explained(figure, printed, made(rule, long, "")[""])


def _explained(figure: WrongFigure, printed: object, both: Due) -> WrongFigure:
    """Say of a wrong figure where it comes from what is no model, task or region."""
    if figure.printed == figure.recomputed or not near(printed, both):
        return figure
    said = f"{figure.why}, of what has an activity other than 0; it is that of all"
    return replace(figure, why=said)


def _hardest(book: Workbook, rule: Rule) -> tuple[Due, str] | None:
    """Return the task with the highest score of difficulty, where the spreadsheet has scores."""
    sheet = next((s for s in book.sheets if "Difficulty_Score" in s.columns), None)
    if rule.how != "name of least" or sheet is None or "Task" not in sheet.columns:
        return None
    scores = {
        str(task): float(score)
        for task, score in zip(sheet.column("Task"), sheet.column("Difficulty_Score"), strict=True)
        if isinstance(score, int | float)
    }
    top = max(scores.values(), default=0.0)
    names = frozenset(task for task, score in scores.items() if near(score, top))
    return names, f"it is not the task with the highest Difficulty_Score (sheet {sheet.title})"


def _failed(book: Workbook, sheet: Sheet, number: int, printed: object) -> Iterator[WrongFigure]:
    listed = next((s for s in book.sheets if s.title == "Failed_Models"), None)
    if listed is not None and "Failed_Models" in listed.columns:
        names = listed.column("Failed_Models")
        why = f"it is not the number of models in the sheet {listed.title}, which names "
        why += f"{counted(len(set(names)), 'model')} in {counted(len(names), 'row')}"
        yield compared(book, sheet, number, "Failed Models", "Value", printed, len(set(names)), why)


def _pairs(book: Workbook, long: pd.DataFrame, printed: object) -> str:
    """Return that a number of models is one of attempts, where it is; or nothing."""
    pairs = len(long[["Task", "Model"]].drop_duplicates())
    failed = next((len(s.rows) for s in book.sheets if s.title == "Failed_Models"), 0)
    if not near(printed, pairs + failed):
        return ""
    return f"; it is {pairs} pairs of a task and a model and the {failed} rows of failed ones"


def _blame_activity(
    book: Workbook, long: pd.DataFrame, wrong: list[WrongFigure]
) -> list[WrongFigure]:
    """Return the wrong figures, with one activity in the place of all that it explains.

    It is looked for where exactly one task's mean and one model's are wrong.
    """
    means = [own for own in wrong if own.column in _MEANS]
    tasks, models = ([m for m in means if KEYS.get(m.table) == key] for key in ("Task", "Model"))
    if len(tasks) != 1 or len(models) != 1:
        return wrong
    of_task = long["Task"].astype(str) == tasks[0].row
    difference = (float(tasks[0].printed) - float(tasks[0].recomputed)) * int(of_task.sum())
    tried: dict[int, list[WrongFigure]] = {}
    for row in long.index[of_task & (long["Model"].astype(str) == models[0].row)]:
        mended = long.copy()
        mended.loc[row, "Activity_Level"] += difference
        tried[int(row)] = _wrong(list(_compare(book, mended)))
    fewest = min(map(len, tried.values()), default=len(wrong))
    if fewest > len(wrong) - 2:
        return wrong
    best, *others = [row for row, left in tried.items() if len(left) == fewest]
    names = [", ".join(map(str, cells)) for cells in long[["Task", "Model", "Brain_Region"]].values]
    value = float(long["Activity_Level"].to_numpy()[best])
    found = WrongFigure(
        table=book.long.title,
        part=None,
        row=names[best],
        column="Activity_Level",
        place=f"{book.path.name}, row {best + 2}",
        printed=f"{value:.10g}",
        recomputed=f"{value + difference:.10g}",
        kind="figure of a spreadsheet",
        why=f"with the recomputed value {len(wrong) - fewest} more figures of other sheets agree",
        or_else=tuple(names[row] for row in others),
    )
    return [found, *tried[best]]
