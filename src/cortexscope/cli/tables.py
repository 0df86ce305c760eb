"""`cortexscope tables`: print a run's tables, or write them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cortexscope.cli._terminal import remark, say
from cortexscope.errors import UsageError

__all__ = ["tables"]


def tables(
    run: Annotated[Path, typer.Argument(help="The folder that `cortexscope run --out` wrote.")],
    form: Annotated[
        Literal["text", "csv", "xlsx"],
        typer.Option(
            "--format",
            help="text prints; csv prints one table or writes all; xlsx writes all.",
        ),
    ] = "text",
    number: Annotated[
        int | None, typer.Option("--number", help="Only this table, from 1.", min=1)
    ] = None,
) -> None:
    """Print a table to standard output, or write all of them into the run's folder.

    Raises:
        UsageError: if there is no such table, or one table of a spreadsheet is asked for.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import TABLES, build_tables, tables_as, write_tables
    from cortexscope.store import Run

    opened = remark(Run(run))
    if form == "xlsx" and number is not None:
        raise UsageError(
            "A spreadsheet always holds all tables; leave --number out, or use --format csv."
        )
    if form == "xlsx" or (form == "csv" and number is None):
        for path in write_tables(opened, formats=(form,)):
            say(path)
        return
    if number is not None and number > len(TABLES):
        raise UsageError(f"There is no table {number}; choose one from 1 to {len(TABLES)}.")
    only = None if number is None else [list(TABLES)[number - 1]]
    say(tables_as(build_tables(opened, only=only), form), end="")
