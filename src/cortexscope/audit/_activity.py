"""Recompute the study's other spreadsheets from their long sheet, an activity in a row.

Their sheets are sums, means and counts of the activities of brain regions, a row a task, model and
region. Activities are printed in full, so that every figure can be told to nine digits. What has no
activity other than 0 is no model, task or region: figures are recomputed over the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.audit._activity_figures import Due, compared, near
from cortexscope.audit._activity_matrix import compare_matrix
from cortexscope.audit._activity_rules import OVERVIEW, OVERVIEWS, SHEETS, Rule, words
from cortexscope.audit._records import Convention, WrongFigure
from cortexscope.audit._words import counted
from cortexscope.audit._workbook import Sheet, Workbook
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Activities", "check_activities"]

_NAMES = ("Model", "Task", "Brain_Region")
# Below this an activity is the rounding of 0.
_NOTHING = 1e-12


class Activities(NamedTuple):
    """What is found of a spreadsheet's figures."""

    figures: int
    wrong: tuple[WrongFigure, ...]
    undetermined: str
    """What is not recomputed, in a sentence."""
    conventions: tuple[Convention, ...]
    """What is left out, where something is."""


def check_activities(book: Workbook) -> Activities:
    """Recompute every sum, mean, spread, count and top of a spreadsheet from its long sheet.

    Where several figures are wrong by the same amount because one activity of the long sheet is,
    that activity is named in their place, with all that would explain as much.

    Raises:
        UsageError: if an activity is no number.
    """
    from cortexscope.audit._activity_blame import blame_activity

    long = _frame(book.path, book.long)
    found = list(_compare(book, long))
    wrong = [figure for figure in found if figure.printed != figure.recomputed]
    if wrong:
        wrong = blame_activity(book, long, wrong, lambda frame: _compare(book, frame))
    return Activities(len(found), tuple(wrong), _not_recomputed(book), tuple(_left_out(book, long)))


def _not_recomputed(book: Workbook) -> str:
    known = {book.long.title, *SHEETS, *OVERVIEWS, "Performance_Matrix"}
    others = [sheet.title for sheet in book.sheets if sheet.title not in known]
    return (
        f"{book.path.name}: sums, means, spreads, counts and tops are recomputed from the sheet "
        f"{book.long.title}; the activities in it, scores and insights are not, nor the "
        f"sheets {', '.join(others) or 'of other names (there are none)'}."
    )


def _active(long: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models, tasks and regions that have an activity other than 0."""
    some = long["Activity_Level"] != 0
    kept = long
    for name in _NAMES:
        kept = kept[kept[name].isin(set(long.loc[some, name]))]
    return kept


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
            one = name.lower().replace("_", " ")
            named = f"{', '.join(gone[:3])}{more}"
            parts.append(f"{len(gone)} of {counted(len(all_), one)} ({named})")
    rows = f"{len(long) - len(active)} of {len(long)} rows"
    found = f"{rows} are of what has no activity other than 0: {'; '.join(parts)}. Figures are "
    found += f"recomputed over the other {len(active)} rows"
    tops = active.groupby("Brain_Region")["Activity_Level"].apply(lambda own: own.abs().max())
    for region, top in tops.items():
        if top < _NOTHING:
            found += f"; {region}, which is counted, reaches {top:.2g} at most, the rounding of 0"
    yield Convention(f"Sheet {book.long.title} of {book.path.name}", found)


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
    active = _active(long)
    for sheet in book.sheets:
        if sheet.title in OVERVIEWS:
            yield from _overview(book, sheet, long, active)
        for column, rule in SHEETS.get(sheet.title, {}).items():
            if {rule.key, column} <= set(sheet.columns) and rule.key in long.columns:
                # What is left out has figures of its own rows.
                made, both = _made(rule, active), _made(rule, long)
                rows = zip(sheet.column(rule.key), sheet.column(column), strict=True)
                for number, (key, printed) in enumerate(rows, 2):
                    due = made.get(str(key), both.get(str(key)))
                    if due is not None:
                        why = words(rule, book.long.title)
                        figure = compared(book, sheet, number, str(key), column, printed, due, why)
                        yield _explained(figure, printed, both[str(key)])
        if sheet.title == "Performance_Matrix":
            yield from compare_matrix(book, sheet, long, active)


def _overview(
    book: Workbook, sheet: Sheet, long: pd.DataFrame, active: pd.DataFrame
) -> Iterator[WrongFigure]:
    for number, (name, printed, *_) in enumerate(sheet.rows, 2):
        rule = OVERVIEW.get(str(name))
        if str(name) == "Failed Models":
            yield from _failed(book, sheet, number, printed)
        elif rule is not None:
            due, why = _hardest(book, rule) or (
                _made(rule, active.assign(**{"": ""}))[""],
                words(rule, book.long.title),
            )
            both = _made(rule, long.assign(**{"": ""}))[""]
            why += _pairs(book, long, printed) if str(name) == "Successful Models" else ""
            figure = compared(book, sheet, number, str(name), "Value", printed, due, why)
            yield _explained(figure, printed, both)


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
            ends = means.groupby(level=0)
            found = ends.min() if rule.how == "name of least" else ends.max()
            if rule.how != "top":
                tops = {str(key): float(value) for key, value in found.items()}
                return _names(means.unstack(), tops)
    return {str(key): float(value) for key, value in found.items()}


def _names(means: pd.DataFrame, tops: Mapping[str, float]) -> dict[str, Due]:
    """Return the names whose mean is the extreme one; several where they tie."""
    return {
        str(key): frozenset(str(name) for name, value in own.items() if near(value, tops[str(key)]))
        for key, own in means.to_dict("index").items()
    }
