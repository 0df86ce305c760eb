"""`cortexscope workbooks`: write a run's workbooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._runs import RunPaths
from cortexscope.cli._terminal import remark, say

__all__ = ["workbooks"]


def workbooks(
    runs: RunPaths,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="KEY", help="Only this workbook, results or tables. May be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where they go; RUN/workbooks if one run."),
    ] = None,
) -> None:
    """Write workbooks for a spreadsheet: results.xlsx and tables.xlsx, and print their paths.

    Raises:
        UnknownNameError: if there is no such workbook.
        UsageError: if runs cannot be read together, or several have no --out.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import write_workbooks
    from cortexscope.store import Measurements, Run

    measured = Measurements.of(*(remark(Run(run)) for run in runs))
    for path in write_workbooks(measured, only=only or None, out=out):
        say(path)
