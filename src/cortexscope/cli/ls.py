"""`cortexscope ls`: the runs in a folder, and how far each is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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

    from cortexscope.remote import is_url, redacted
    from cortexscope.store import list_runs, outlined

    if is_url(folder):
        place = redacted(folder).rstrip("/")
        with outlined(folder, depth=depth) as here:
            runs = list_runs(here, depth=depth)
        named = [
            # A temporary folder is nobody's to look into.
            (_below(run.path, here, place), replace(run, why=run.why.replace(str(here), place)))
            for run in runs
        ]
    else:
        place, root = str(Path(folder)), Path(folder)
        named = [
            (str(run.path) if as_json else _below(run.path, root), run)
            for run in list_runs(root, depth=depth)
        ]
    if as_json:
        rows = [asdict(run) | {"path": name} for name, run in named]
        say(json.dumps({"folder": place, "runs": rows}, indent=2))
    elif named:
        display(_table(named))
    else:
        say(f"No runs in {place} or up to {depth} folders below it.")


def _below(run: Path, folder: Path, url: str | None = None) -> str:
    """Return what a run is called in a list: of a URL all of it, of a folder where it is inside."""
    name = run.relative_to(folder).as_posix()
    if url is None:
        return str(folder) if name == "." else name
    return url if name == "." else f"{url}/{name}"


def _table(runs: Sequence[tuple[str, ListedRun]]) -> Table:
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
