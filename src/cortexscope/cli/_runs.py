"""Arguments that name runs: folders here, or URLs of which a copy is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.errors import UsageError

__all__ = ["OwnRunPath", "RunPath", "RunPaths", "check_folder", "run_folder", "shown"]


def run_folder(place: str) -> Path:
    """Return the folder of a run; of a URL the copy here, after what changed was fetched.

    Raises:
        UsageError: if such URLs cannot be opened.
        StoreError: if what is behind one cannot be read.
    """
    from cortexscope.remote import is_url

    if not is_url(place):
        return Path(place)
    from cortexscope.store import local_folder

    return local_folder(place)


def shown(place: str) -> str:
    """Return how a place is named in messages: of a URL neither user, password nor query."""
    from cortexscope.remote import is_url, redacted

    return redacted(place).rstrip("/") if is_url(place) else str(Path(place))


def check_folder(run: Path, verb: str) -> None:
    """Check that a run is none at a URL, of which there is only a copy here.

    Raises:
        UsageError: if it is.
    """
    from cortexscope.store import is_copy

    if is_copy(run):
        raise UsageError(
            f"{verb} writes into the run, and {run} is a copy of one at a URL; fetch the run by "
            "the tool of its store, and name that folder."
        )


RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        parser=run_folder,
        help="The folder that `cortexscope run --out` wrote, or its URL.",
    ),
]
OwnRunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        # Of a URL too, to say what is to be done about it.
        parser=run_folder,
        help="The folder that `cortexscope run --out` wrote.",
    ),
]
RunPaths = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        parser=run_folder,
        help="The folders that `cortexscope run --out` wrote, or their URLs, read together.",
    ),
]
