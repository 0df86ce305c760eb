"""`cortexscope merge`: join runs of different models into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._runs import run_folder
from cortexscope.cli._terminal import remark, say

__all__ = ["merge"]


def merge(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            parser=run_folder,
            help="Finished runs of different models on the same prompts, in the order wanted: "
            "folders, or URLs of them.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="DIR|URL", help="A folder that is not there yet, or its URL."
        ),
    ],
) -> None:
    """Join runs that were measured apart, as on several machines, into one of all their models.

    They must be of the same prompts, metrics and settings; nothing is measured again.

    Raises:
        UsageError: if the runs do not belong together, or there is something at `out`.
        StoreError: if one is not finished or not sound, or `out` cannot be written.
    """
    from cortexscope.engine import Place
    from cortexscope.store import merge_runs

    place = Place(out)
    with place.written(resume=False, force=False) as folder:
        remark(merge_runs(runs, folder))
    say(f"Run: {place}")
