"""`cortexscope doctor`: say what is wrong with a run, and set aside what cannot be trusted."""

from __future__ import annotations

from typing import Annotated

import typer

from cortexscope.cli._runs import check_folder, shown
from cortexscope.cli._terminal import remark, say

__all__ = ["doctor"]


def doctor(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="The folder that `cortexscope run --out` wrote, or its URL."
        ),
    ],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Move what cannot be trusted to RUN/damaged, and remove what is half written.",
        ),
    ] = False,
    unlock: Annotated[
        bool,
        typer.Option(
            "--unlock",
            help="Only let others write a run at a URL whose writer was killed elsewhere.",
        ),
    ] = False,
) -> None:
    """Read every file of a run whole, and say what is wrong: a line each, exit code 1 if anything.

    With --repair, `cortexscope run --resume` then measures again what was moved away; what is sound
    is left alone.

    Raises:
        StoreError: if something is wrong and was not repaired, or the folder holds no run.
        RunLockedError: if a process is writing there.
        UsageError: if a folder of this machine is to be unlocked, or another one's copy repaired.
    """
    from cortexscope.errors import CorruptRunError
    from cortexscope.store import Run, examine, local_folder
    from cortexscope.store import repair as set_aside

    if unlock:
        _unlock(run, alone=not repair)
        return
    folder, run = local_folder(run, check=False), shown(run)
    if repair:
        check_folder(folder, "--repair")
    found = examine(folder)
    for trouble in found:
        say(f"{trouble.file} {trouble.what}; {trouble.advice}.")
    if repair and found:
        for place in set_aside(folder):
            say(f"Moved to {place}.")
        found = examine(folder)
    if found:
        cure = "only what is sound is left" if repair else "--repair sets aside what is not sound"
        many = "a fault" if len(found) == 1 else f"{len(found)} faults"
        raise CorruptRunError(
            f"{run} has {many}; {cure}, and `cortexscope run --resume`, asked for the same, "
            "measures what is lacking."
        )
    remark(Run(folder))
    say(f"{run}: nothing is wrong.")


def _unlock(run: str, *, alone: bool) -> None:
    from cortexscope.errors import UsageError
    from cortexscope.remote import is_url
    from cortexscope.store import unlock

    if not is_url(run):
        raise UsageError(
            f"{run} is a folder here, whose lock ends with the process that writes it; leave "
            "--unlock out."
        )
    if not alone:
        raise UsageError(
            "--unlock and --repair were both asked for; a run at a URL is only unlocked, and its "
            "copy in a folder of yours is repaired."
        )
    who = unlock(run)
    say(f"{shown(run)}: {f'unlocked; {who} was writing' if who else 'nobody keeps others out'}.")
