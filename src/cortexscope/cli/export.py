"""`cortexscope export`: write a run for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cortexscope.cli._runs import RunPath
from cortexscope.cli._terminal import remark, say

__all__ = ["export"]


def export(
    run: RunPath,
    form: Annotated[
        Literal["parquet", "csv", "dataset", "duckdb"],
        typer.Option(
            "--format",
            help="A folder of Parquet or CSV files, one for `datasets`, or a DuckDB file.",
        ),
    ] = "parquet",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A folder or file that is not there yet; beside the run."),
    ] = None,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Take the prompts' texts along, or not.")
    ] = True,
) -> None:
    """Write a run's measurements, prompts, models and metrics for other programs.

    Raises:
        UsageError: if there is something at `out`, or a package is missing.
        StoreError: if the folder holds no run, or `out` cannot be written.
    """
    from cortexscope.exports import export as write
    from cortexscope.store import Run

    say(write(remark(Run(run)), form, out, texts=texts))
