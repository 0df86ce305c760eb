"""`cortexscope audit`: check the published study, or its claims against a run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._runs import run_folder
from cortexscope.cli._terminal import remark, say

__all__ = ["audit"]


def audit(
    what: Annotated[
        str,
        typer.Argument(
            metavar="study|RUN",
            help="`study`, or the folder that `cortexscope run --out` wrote (./study for a folder "
            "of that name).",
        ),
    ],
    published: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The study's text file of Tables 1 to 6, one of its spreadsheets, its script "
            "(which is never run), or a folder of tables and spreadsheets. May be repeated. "
            "Without it the claims' own figures are checked against one another.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            parser=run_folder,
            help="With `study`: check the claims against this run too.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to write; audits/NAME-TIME by default."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the audit that is in --out.")
    ] = False,
) -> None:
    """Check the published study's claims one by one, and write audit.md, .html and .json.

    Every figure of the published tables is recomputed, each wrong one is named.
    An audit that finds wrong figures has done its work: its exit code is 0. It
    is 2 where a file is none of the study's or is damaged, or where the run has
    none of the study's metrics.
    """
    from cortexscope.audit import audit_study, check_audit_target, first_screen, write_audit
    from cortexscope.errors import UsageError
    from cortexscope.store import Run

    if what != "study" and run is not None:
        raise UsageError(
            f"{what} and --run {run} are two runs; give one of them, or `study` with --run."
        )
    folder = run if what == "study" else run_folder(what)
    if what != "study" and not (folder and folder.is_dir()):
        raise UsageError(
            f"There is no folder {what}; give `study`, or the folder that `cortexscope run --out` "
            "wrote."
        )
    name = "study" if folder is None else folder.resolve().name
    out = out or Path("audits") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    check_audit_target(out, force=force)
    if folder is not None:
        remark(Run(folder))
    found = audit_study(published=published or (), run=folder)
    written = write_audit(found, out, force=force)
    say(first_screen(found))
    say(f"\nAudit: {written.html}")
