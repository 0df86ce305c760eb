"""A value of each metric for each model and prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._values import coded_values
from cortexscope.analysis.tables._step import Step

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Values"]


class Values(Step):
    """As `prompt_values` gives them; by a column, those of its prompts, with their groups."""

    name = "values"
    kinds = ("label", "number")
    apart = True
    holds = "a value of each metric for each model and prompt, which all else is made of"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, model and prompt."""
        if of.groups.column is not None:
            return of.groups.put(of.of_tasks.values)
        of.note(f"reading {len(of.metrics)} metrics")
        return coded_values(of.measured, of.metrics)

    def absent(self, of: Analysis) -> str:
        """Return why there is no value."""
        if not of.metrics:
            return "the run has no metric with one number a prompt"
        if of.groups.column is not None:
            return f"no two prompts have a value of {of.groups.name}"
        return "no prompt was read yet"
