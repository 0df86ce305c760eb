"""`cortexscope ls`: the runs in a folder, and how far each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._runs import shown
from cortexscope.cli._terminal import display, say

if TYPE_CHECKING:
    from rich.table import Table

    from cortexscope.store import ListedRun

__all__ = ["ls"]


def ls(
    folder: Annotated[str, typer.Argument(help="A folder that holds runs, or its URL.")] = "runs",
    depth: Annotated[
        int, typer.Option(min=0, help="How many folders further down a run is still found.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the runs in a folder: complete, running, unfinished or damaged, of what, and how large.

    Links are not followed. `cortexscope doctor RUN` looks into all files of one.

    Raises:
        UsageError: if there is no such folder.
        StoreError: if a URL cannot be read.
    """
    import json
    from dataclasses import asdict, replace

    from cortexscope.remote import is_url
    from cortexscope.store import list_runs, outlined

    place = shown(folder)
    if is_url(folder):
        with outlined(folder, depth=depth) as here:
            runs = list_runs(here, depth=depth)
        # A temporary folder is nobody's to look into.
        runs = [replace(run, why=run.why.replace(str(here), place)) for run in runs]
    else:
        here = Path(folder)
        runs = list_runs(here, depth=depth)
    inside = [run.path.relative_to(here).as_posix() for run in runs]
    if as_json:
        paths = [place if name == "." else f"{place}/{name}" for name in inside]
        rows = [asdict(run) | {"path": path} for path, run in zip(paths, runs, strict=True)]
        say(json.dumps({"folder": place, "runs": rows}, indent=2))
    elif runs:
        names = [place if name == "." else name for name in inside]
        display(_table(zip(names, runs, strict=True)))
    else:
        say(f"No runs in {place} or up to {depth} folders below it.")


def _table(runs: Iterable[tuple[str, ListedRun]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("run", "state", "models", "suite", "prompts", "metrics", "size", "begun"):
        numeric = heading in ("prompts", "metrics", "size")
        table.add_column(heading, justify="right" if numeric else "left")
    for name, run in runs:
        cells = (
            name,
            f"{run.state} ({run.why})" if run.why else run.state,
            _some(run.models),
            run.suite or "-",
            "-" if run.prompts is None else f"{run.prompts:,}",
            str(len(run.metrics) or "-"),
            _size(run.size),
            (run.created or "-")[:16].replace("T", " "),
        )
        table.add_row(*map(Text, cells))
    return table


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return (", ".join(names[:3]) or "-") + more


def _size(size: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least one of it."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
