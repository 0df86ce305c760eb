"""How the sheets of the study's other spreadsheets are made of their long sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.audit._records import WrongFigure
from cortexscope.audit._workbook import Sheet, Workbook, text_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Due", "KEYS", "OVERVIEW", "OVERVIEWS", "Rule", "compared", "made", "near"]

Due = float | int | frozenset[str]
"""What a figure should be: a number, or one of several names."""

_CLOSE = 1e-9


class Rule(NamedTuple):
    """How a figure is made of rows of the long sheet."""

    how: str
    """A statistic of activities as pandas names it, or one of those in `_WORDS`."""
    of: str = ""
    """What is counted, or whose mean is the top one."""

    def words(self, key: str, long: str) -> str:
        """Return why a figure is wrong that it makes of the sheet `long`.

        Example:
            >>> Rule("sum").words("Task", "Raw_Data")
            'it is not the sum of the rows with this Task (sheet Raw_Data)'
        """
        rows = f"the rows with this {key}" if key else "all rows"
        made = _WORDS[self.how].format(rows=rows, of=self.of.lower().replace("_", " "))
        return f"it is not {made} (sheet {long})"


_WORDS = {
    "sum": "the sum of {rows}",
    "mean": "the mean of {rows}",
    "std": "the standard deviation of {rows}",
    "var": "the variance of {rows}",
    "size": "the number of {rows}",
    "range": "the range of {rows}",
    "distinct": "the number of {of}s in {rows}",
    "active": "the number of {of}s in {rows} with an activity other than 0",
    "top": "the highest mean of a {of} in {rows}",
    "name of top": "the {of} with the highest mean of {rows}",
    "name of least": "the {of} with the lowest mean of {rows}",
}

KEYS: Mapping[str, str] = {
    "Task_Summary": "Task",
    "Model_Comparison": "Model",
    "Brain_Region_Analysis": "Brain_Region_Code",
    "Model_Profiles": "Model",
    "Task_Analysis": "Task",
    "Family_Comparison": "Model_Family",
}
"""By sheet the column that it shares with the long sheet, whose rows with one value make a row."""

_COLUMNS: Mapping[Rule, tuple[str, ...]] = {
    Rule("sum"): (
        "Total_Brain_Activity",
        "Overall_Brain_Activity",
        "Total_Activity_Across_Tasks",
    ),
    Rule("mean"): ("Average_Activity", "Average_Brain_Activity"),
    Rule("std"): ("Activity_Std", "Activity_Consistency"),
    Rule("var"): ("Activity_Variance",),
    Rule("range"): ("Activity_Range",),
    Rule("size"): ("Total_Tests",),
    Rule("distinct", "Task"): ("Tasks_Tested", "Tasks_Involved"),
    Rule("distinct", "Model"): ("Models_Tested", "Models_in_Family"),
    Rule("active", "Brain_Region"): ("Active_Brain_Regions",),
    Rule("top", "Task"): ("Max_Task_Activity",),
    Rule("top", "Model"): ("Best_Model_Activity",),
    Rule("top", "Brain_Region"): ("Dominant_Region_Activity", "Preferred_Region_Score"),
    Rule("name of top", "Task"): ("Most_Active_Task",),
    Rule("name of top", "Model"): ("Best_Performing_Model", "Best_Model_For_Region"),
    Rule("name of top", "Brain_Region"): ("Dominant_Brain_Region", "Preferred_Brain_Region"),
}
COLUMNS = {name: rule for rule, names in _COLUMNS.items() for name in names}
"""By column, in whichever of these sheets it stands."""

OVERVIEWS = ("Analysis_Overview", "Overview")
"""Sheets of a metric and its value."""

_OVERVIEW: Mapping[Rule, tuple[str, ...]] = {
    Rule("distinct", "Model"): ("Total Models Tested", "Successful Models"),
    Rule("distinct", "Task"): ("Total Tasks Analyzed", "Total Cognitive Tasks"),
    Rule("distinct", "Brain_Region"): ("Total Brain Regions Mapped", "Total Brain Regions"),
    Rule("size"): ("Total Data Points",),
    Rule("name of top", "Model"): ("Best Overall Model",),
    Rule("name of top", "Brain_Region"): ("Most Active Brain Region",),
    Rule("name of least", "Task"): ("Most Challenging Task",),
}
OVERVIEW = {name: rule for rule, names in _OVERVIEW.items() for name in names}
"""By metric, over all rows."""


def made(rule: Rule, long: pd.DataFrame, key: str) -> dict[str, Due]:
    """Return what a rule makes of the rows with each value of a column."""
    groups = long.groupby(key, sort=False)
    levels = groups["Activity_Level"]
    match rule.how:
        case "range":
            found = levels.max() - levels.min()
        case "distinct":
            found = groups[rule.of].nunique()
        case "active":
            some = long[rule.of].where(long["Activity_Level"] != 0)
            found = some.groupby(long[key], sort=False).nunique()
        case "top" | "name of top" | "name of least":
            means = long.groupby([key, rule.of], sort=False)["Activity_Level"].mean()
            ends = means.groupby(level=0)
            found = ends.min() if rule.how == "name of least" else ends.max()
            if rule.how != "top":
                tops = found.to_dict()
                # Several names where they tie.
                return {
                    str(value): frozenset(
                        str(name) for name, mean in own.items() if near(mean, tops[value])
                    )
                    for value, own in means.unstack().to_dict("index").items()
                }
        case _:
            found = levels.agg(rule.how).fillna(0.0)
    return {str(value): float(own) for value, own in found.items()}


def near(printed: object, due: object) -> bool:
    """Return whether a figure is what it should be, to nine digits.

    Example:
        >>> near(1.0, 1.0 + 1e-12), near("a", frozenset({"a", "b"})), near("1", 1.0)
        (True, True, False)
    """
    if isinstance(due, frozenset):
        return printed in due
    if not isinstance(printed, int | float) or not isinstance(due, int | float):
        return False
    return abs(printed - due) <= _CLOSE * max(1.0, abs(due))


def compared(
    book: Workbook, sheet: Sheet, number: int, row: str, column: str, printed: object, due: Due,
    why: str,
) -> WrongFigure:  # fmt: skip
    """Return the comparison; printed and recomputed are the same text where the two agree."""
    text = recomputed = text_of(printed)
    if not near(text if isinstance(due, frozenset) else printed, due):
        recomputed = " or ".join(sorted(due)) if isinstance(due, frozenset) else f"{due:.15g}"
    place = f"{book.path.name}, row {number}"
    return WrongFigure(
        sheet.title, None, row, column, place, text, recomputed, "figure of a spreadsheet", why
    )
