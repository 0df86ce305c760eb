"""`cortexscope upload`: put a run folder at a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._terminal import remark, say

__all__ = ["upload"]


def upload(
    run: Annotated[Path, typer.Argument(help="The folder that `cortexscope run --out` wrote.")],
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="Of the run there, such as s3://bucket/run; any that "
                       "fsspec opens."),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the run that is there.")] = False,
) -> None:  # fmt: skip
    """Upload a run folder: its files first, its manifest last, so that no reader sees half of it.

    What is there of the same run is brought up to date.

    Raises:
        RunExistsError: if another run is there.
        RunLockedError: if a process is writing here or there.
        StoreError: if the folder holds no run, or the URL cannot be written.
    """
    from cortexscope.store import Run, upload_run

    say(f"Uploaded: {upload_run(remark(Run(run)).path, url, force=force)}")
