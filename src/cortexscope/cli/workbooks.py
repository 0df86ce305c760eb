"""`cortexscope workbooks`: write a run's workbooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._terminal import remark, say

__all__ = ["workbooks"]


def workbooks(
    run: Annotated[Path, typer.Argument(help="The folder that `cortexscope run --out` wrote.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="KEY", help="Only this workbook, results or tables. May be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where they go; RUN/workbooks by default."),
    ] = None,
) -> None:
    """Write workbooks for a spreadsheet: results.xlsx and tables.xlsx, and print their paths.

    Raises:
        UnknownNameError: if there is no such workbook.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import write_workbooks
    from cortexscope.store import Run

    for path in write_workbooks(remark(Run(run)), only=only or None, out=out):
        say(path)
