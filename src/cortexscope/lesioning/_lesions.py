"""Finished lesions of a model: their findings and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.analysis import EFFECTS, Analysis
from cortexscope.document import Document, Prose, Section
from cortexscope.files import as_csv, whole_file
from cortexscope.report.lesioned import lesion_findings, lesion_parts_table
from cortexscope.report.lesioned_values import lesion_values_table
from cortexscope.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "Lesions"]

TABLES = ("effects", "specific", "estimates", "agreement", "measures", "values")
"""Of lesions."""

_SHOWN = 5
"""Parts of a kind that a terminal shows."""


class Lesions:
    """What a run folder has of a model without parts of it.

    Args:
        run: a folder that `lesion` wrote.
        loss: what parts are judged by, of `EFFECTS`, or a metric.
    """

    def __init__(self, run: Run, *, loss: str) -> None:
        self.run = run
        self.loss = loss
        self._analysis = Analysis(run)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.run.path

    def __repr__(self) -> str:
        return f"<Lesions in {self.path}>"

    def table(self, name: str) -> pd.DataFrame:
        """Return a table: `effects`, `specific`, `estimates`, `agreement`, `measures`, `values`.

        Raises:
            UnknownNameError: if there is no such table.
        """
        return self._analysis.table(f"lesion_{name}")

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        return lesion_findings(self._analysis, loss=self.loss)

    def document(self) -> Document:
        """Return the findings, then the parts that are needed most."""
        table = (
            lesion_parts_table(self._analysis, loss=self.loss, most=_SHOWN)
            if self.loss in EFFECTS
            else lesion_values_table(self._analysis, metric=self.loss, most=_SHOWN)
        )
        blocks = (Prose(self.findings, "list"), table)
        return Document("", (Section("lesion", "", blocks),))

    def write(self) -> tuple[Path, ...]:
        """Write the tables as CSV files into the folder's `stats`; return their paths.

        Raises:
            StoreError: if they cannot be written.
        """
        folder = self._analysis.folder
        assert folder is not None
        paths = []
        for name in TABLES:
            table = self.table(name)
            if len(table):
                paths.append(folder / f"lesion_{name}.csv")
                with whole_file(paths[-1]) as part:
                    part.write_text(as_csv(table), encoding="utf-8")
        return tuple(paths)

    def report(self) -> Path:
        """Write tables, figures and report.html into the run folder; return the report's path."""
        from cortexscope.report import write_report

        return write_report(self.run).report
