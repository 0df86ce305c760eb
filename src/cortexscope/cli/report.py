"""`cortexscope report`: write a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._terminal import remark, say

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="The folder that `cortexscope run --out` wrote.")],
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Show the prompts' texts, or leave them out.")
    ] = True,
) -> None:
    """Write report.html of a run again, with its tables and figures, and print its path.

    Raises:
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import write_report
    from cortexscope.store import Run

    say(write_report(remark(Run(run)), texts=texts).report)
