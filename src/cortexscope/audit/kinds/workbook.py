"""A spreadsheet beside the text file holds the same results."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity, Source
from cortexscope.audit._words import METRICS, spoken
from cortexscope.audit.kinds._kind import Kind

__all__ = ["WorkbookOf"]


class WorkbookOf(Kind):
    """A spreadsheet beside the text file holds the same results."""

    kind: Literal["workbook"]
    file: str

    def judge(self, evidence: Evidence) -> Check:
        """Compare what a spreadsheet holds with the tables that it is said to hold."""
        against: Source = "the published files"
        if evidence.file == self.file:
            return Check(against, "holds", "It holds Table 1, and is what is checked here.")
        book = next((book for book in evidence.workbooks if book.path.name == self.file), None)
        if book is None:
            return evidence.says("cannot be checked", "This file was not given.")
        columns = {name for sheet in book.sheets for name in sheet.columns}
        held = [metric for metric in METRICS if metric in columns]
        long, models = book.long, evidence.hubs
        names = {str(name).lower() for name in long.column("Model")}
        if "Model_Full" in long.columns:
            names |= {str(name).lower() for name in long.column("Model_Full")}
        shared = [label for label, hub in models.items() if _is_in(hub, names)]
        count = {what: len(set(long.column(what))) for what in ("Model", "Task", "Brain_Region")}
        quantities = (
            Quantity("of the 3 metrics", "3", len(held), right=len(held) == len(METRICS)),
            Quantity("of the 6 models", str(len(models)), len(shared), note=", ".join(shared)),
            Quantity("models in it", None, count["Model"]),
            Quantity("tasks in it", None, count["Task"]),
        )
        if len(held) == len(METRICS):
            return Check(against, "cannot be checked", "Its tables have other columns.", quantities)
        missing = ", ".join(spoken(metric) for metric in METRICS if metric not in held)
        said = (
            f"None of its {len(book.sheets)} sheets has {missing}. They hold the activity of "
            f"{count['Brain_Region']} brain regions for {count['Model']} models and "
            f"{count['Task']} tasks; of the study's {len(models)} models {len(shared) or 'none'} "
            f"{'are' if len(shared) != 1 else 'is'} among them."
        )
        return Check(against, "contradicted", said, quantities)


def _is_in(hub: str, names: set[str]) -> bool:
    return hub.lower() in names or hub.lower().rsplit("/", 1)[-1] in names
