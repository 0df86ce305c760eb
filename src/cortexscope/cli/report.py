"""`cortexscope report`: write a run's report again."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._runs import RunPaths
from cortexscope.cli._terminal import remark, say

__all__ = ["report"]


class _Form(StrEnum):
    # A list of choices has to be of an enumeration.
    HTML = "html"
    MARKDOWN = "md"
    TEXT = "text"
    PDF = "pdf"


def report(
    runs: RunPaths,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write; the run's own folder if one."),
    ] = None,
    forms: Annotated[
        list[_Form] | None,
        typer.Option(
            "--format",
            help="What to write the report as, html by default; pdf needs Chromium, Chrome or "
            "Edge. May be repeated.",
        ),
    ] = None,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Show the prompts' texts, or leave them out.")
    ] = True,
) -> None:
    """Write the report of one run or several, with its tables and figures; print its path.

    Models of several runs stand beside one another; prompts of the same id must be the same.

    Raises:
        UsageError: if runs cannot be read together, or a PDF cannot be printed.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import write_report
    from cortexscope.store import Measurements, Run

    measured = Measurements.of(*(remark(Run(run)) for run in runs))
    named = dict.fromkeys(form.name.lower() for form in forms or [_Form.HTML])
    for path in write_report(measured, out=out, texts=texts, formats=tuple(named)).reports:  # type: ignore[arg-type]
        say(path)
