"""A spreadsheet beside the text file holds the same results."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from cortexscope.audit._checkpoints import ids_of
from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import spoken
from cortexscope.audit._workbook import Sheet
from cortexscope.audit.kinds._kind import Kind
from cortexscope.metrics import STUDY

__all__ = ["WorkbookOf"]


class WorkbookOf(Kind):
    """A spreadsheet beside the text file holds the same results."""

    kind: Literal["workbook"]
    file: str

    def judge(self, evidence: Evidence) -> Check:
        """Compare what a spreadsheet holds with the tables that it is said to hold."""
        published = replace(evidence, against="the published files")
        given = evidence.given
        if given.published is not None and given.published.path.name == self.file:
            return published.says(True, "It holds Table 1, and is what is checked here.")
        book = next((book for book in given.workbooks if book.path.name == self.file), None)
        if book is None:
            return evidence.says(None, "This file was not given.")
        columns = {name for sheet in book.sheets for name in sheet.columns}
        held = [metric for metric in STUDY if metric in columns]
        long, models = book.long, evidence.hubs
        shared = [label for label, hub in models.items() if _has(long, hub)]
        count = {what: len(set(long.column(what))) for what in ("Model", "Task", "Brain_Region")}
        quantities = (
            Quantity("of the 3 metrics", "3", len(held), right=len(held) == len(STUDY)),
            Quantity("of the 6 models", str(len(models)), len(shared), note=", ".join(shared)),
            Quantity("models in it", None, count["Model"]),
            Quantity("tasks in it", None, count["Task"]),
        )
        if len(held) == len(STUDY):
            return published.says(None, "Its tables have other columns.", *quantities)
        missing = ", ".join(spoken(metric) for metric in STUDY if metric not in held)
        said = (
            f"None of its {len(book.sheets)} sheets has {missing}. They hold the activity of "
            f"{count['Brain_Region']} brain regions for {count['Model']} models and "
            f"{count['Task']} tasks; of the study's {len(models)} models {len(shared) or 'none'} "
            f"{'are' if len(shared) != 1 else 'is'} among them."
        )
        return published.says(False, said, *quantities)


def _has(long: Sheet, hub: str) -> bool:
    """Return whether a model of the hub is in a sheet, which may name models without owners."""
    ids = ids_of(hub)
    if "Model_Full" in long.columns:
        return not ids.isdisjoint(str(name).lower() for name in long.column("Model_Full"))
    ids |= {name.rpartition("/")[2] for name in ids}
    return not ids.isdisjoint(str(name).lower() for name in long.column("Model"))
