"""`cortexscope figures`: draw a run's figures into files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cortexscope.cli._terminal import remark, say

__all__ = ["figures"]


def figures(
    run: Annotated[Path, typer.Argument(help="The folder that `cortexscope run --out` wrote.")],
    form: Annotated[
        Literal["png", "svg", "pdf"], typer.Option("--format", help="What to write.")
    ] = "png",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="KEY", help="Only this figure, such as depth. May be repeated."
        ),
    ] = None,
) -> None:
    """Draw the figures of a run into its folder `figures`, and print their paths.

    Raises:
        UnknownNameError: if there is no such figure.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import write_figures
    from cortexscope.store import Run

    for path in write_figures(remark(Run(run)), formats=(form,), only=only or None):
        say(path)
