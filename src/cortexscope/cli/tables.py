"""`cortexscope tables`: print a run's tables, or write them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cortexscope.cli._runs import RunPaths
from cortexscope.cli._terminal import remark, say
from cortexscope.errors import UsageError

__all__ = ["tables"]


def tables(
    runs: RunPaths,
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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where to write tables; the run's own folder if one."
        ),
    ] = None,
) -> None:
    """Print a table to standard output, or write all of them into a folder.

    Models of several runs stand beside one another; prompts of the same id must be the same.

    Raises:
        UsageError: if there is no such table, a part of a spreadsheet is asked for, runs cannot be
            read together, or several have no --out.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import build_tables, tables_as, write_tables
    from cortexscope.store import Measurements, Run

    measured = Measurements.of(*(remark(Run(run)) for run in runs))
    if form == "xlsx" and only:
        raise UsageError(
            "A spreadsheet always holds all tables; leave --only out, or use --format csv."
        )
    if form == "xlsx" or (form == "csv" and not only):
        for path in write_tables(measured, out=out, formats=(form,)):
            say(path)
        return
    named = "markdown" if form == "md" else form
    say(tables_as(build_tables(measured, only=only or None), named), end="")
