"""How the sheets of the study's other spreadsheets are made of their long sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["OVERVIEW", "OVERVIEWS", "Rule", "SHEETS", "words"]

How = Literal[
    "sum",
    "mean",
    "sd",
    "variance",
    "range",
    "rows",
    "distinct",
    "active",
    "top",
    "name of top",
    "name of least",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a column of a sheet is made of the long sheet."""

    key: str
    """The column that both have; its rows are made of those of the long sheet with its value."""
    how: How
    of: str = ""
    """What is counted, or whose mean is the top one."""


SHEETS: Mapping[str, Mapping[str, Rule]] = {
    "Task_Summary": {
        "Dominant_Brain_Region": Rule("Task", "name of top", "Brain_Region"),
        "Dominant_Region_Activity": Rule("Task", "top", "Brain_Region"),
        "Best_Performing_Model": Rule("Task", "name of top", "Model"),
        "Best_Model_Activity": Rule("Task", "top", "Model"),
        "Models_Tested": Rule("Task", "distinct", "Model"),
        "Active_Brain_Regions": Rule("Task", "active", "Brain_Region"),
        "Total_Brain_Activity": Rule("Task", "sum"),
        "Average_Activity": Rule("Task", "mean"),
        "Activity_Std": Rule("Task", "sd"),
    },
    "Model_Comparison": {
        "Overall_Brain_Activity": Rule("Model", "sum"),
        "Average_Activity": Rule("Model", "mean"),
        "Activity_Consistency": Rule("Model", "sd"),
        "Tasks_Tested": Rule("Model", "distinct", "Task"),
    },
    "Brain_Region_Analysis": {
        "Most_Active_Task": Rule("Brain_Region_Code", "name of top", "Task"),
        "Max_Task_Activity": Rule("Brain_Region_Code", "top", "Task"),
        "Best_Model_For_Region": Rule("Brain_Region_Code", "name of top", "Model"),
        "Best_Model_Activity": Rule("Brain_Region_Code", "top", "Model"),
        "Total_Activity_Across_Tasks": Rule("Brain_Region_Code", "sum"),
        "Average_Activity": Rule("Brain_Region_Code", "mean"),
        "Activity_Range": Rule("Brain_Region_Code", "range"),
        "Tasks_Involved": Rule("Brain_Region_Code", "distinct", "Task"),
        "Models_Tested": Rule("Brain_Region_Code", "distinct", "Model"),
    },
    "Model_Profiles": {
        "Tasks_Tested": Rule("Model", "distinct", "Task"),
        "Total_Brain_Activity": Rule("Model", "sum"),
        "Average_Activity": Rule("Model", "mean"),
        "Activity_Variance": Rule("Model", "variance"),
    },
    "Task_Analysis": {
        "Average_Brain_Activity": Rule("Task", "mean"),
        "Activity_Variance": Rule("Task", "variance"),
        "Models_Tested": Rule("Task", "distinct", "Model"),
    },
    "Family_Comparison": {
        "Models_in_Family": Rule("Model_Family", "distinct", "Model"),
        "Total_Tests": Rule("Model_Family", "rows"),
        "Average_Activity": Rule("Model_Family", "mean"),
        "Activity_Std": Rule("Model_Family", "sd"),
        "Preferred_Brain_Region": Rule("Model_Family", "name of top", "Brain_Region"),
        "Preferred_Region_Score": Rule("Model_Family", "top", "Brain_Region"),
    },
}
"""By sheet and column."""

OVERVIEWS = ("Analysis_Overview", "Overview")
"""Sheets of a metric and its value."""

OVERVIEW: Mapping[str, Rule] = {
    "Total Models Tested": Rule("", "distinct", "Model"),
    "Successful Models": Rule("", "distinct", "Model"),
    "Total Tasks Analyzed": Rule("", "distinct", "Task"),
    "Total Cognitive Tasks": Rule("", "distinct", "Task"),
    "Total Brain Regions Mapped": Rule("", "distinct", "Brain_Region"),
    "Total Brain Regions": Rule("", "distinct", "Brain_Region"),
    "Total Data Points": Rule("", "rows"),
    "Best Overall Model": Rule("", "name of top", "Model"),
    "Most Active Brain Region": Rule("", "name of top", "Brain_Region"),
    "Most Challenging Task": Rule("", "name of least", "Task"),
}
"""By metric."""


def words(rule: Rule, long: str) -> str:
    """Return why a figure is wrong that a rule makes of the sheet `long`.

    Example:
        >>> words(Rule("Task", "sum"), "Raw_Data")
        'it is not the sum of the rows with this Task (sheet Raw_Data)'
    """
    rows = f"its rows with this {rule.key}" if rule.key else "all rows"
    of = rule.of.lower().replace("_", " ")
    made = {
        "sum": f"the sum of {rows}",
        "mean": f"the mean of {rows}",
        "sd": f"the standard deviation of {rows}",
        "variance": f"the variance of {rows}",
        "range": f"the range of {rows}",
        "rows": f"the number of {rows}",
        "distinct": f"the number of {of}s in {rows}",
        "active": f"the number of {of}s in {rows} with an activity other than 0",
        "top": f"the highest mean of a {of} in {rows}",
        "name of top": f"the {of} with the highest mean of {rows}",
        "name of least": f"the {of} with the lowest mean of {rows}",
    }
    return f"it is not {made[rule.how]} (sheet {long})".replace("its rows", "the rows")
