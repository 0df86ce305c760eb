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
        Literal["text", "csv", "md", "latex", "html", "xlsx"],
        typer.Option(
            "--format",
            help="csv prints those of --only or writes all; xlsx writes all; others print.",
        ),
    ] = "text",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="KEY|NUMBER",
            help="Only this table, such as 1 or task_effects. May be repeated.",
        ),
    ] = None,
) -> None:
    """Print a table to standard output, or write all of them into the run's folder.

    Raises:
        UsageError: if there is no such table, or a part of a spreadsheet is asked for.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import build_tables, tables_as, write_tables
    from cortexscope.store import Run

    opened = remark(Run(run))
    if form == "xlsx" and only:
        raise UsageError(
            "A spreadsheet always holds all tables; leave --only out, or use --format csv."
        )
    if form == "xlsx" or (form == "csv" and not only):
        for path in write_tables(opened, formats=(form,)):
            say(path)
        return
    named = "markdown" if form == "md" else form
    say(tables_as(build_tables(opened, only=only or None), named), end="")
