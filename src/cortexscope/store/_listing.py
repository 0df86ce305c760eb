"""Which runs a folder holds, and how far each is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.errors import RunLockedError, StoreError, UsageError
from cortexscope.records import Manifest
from cortexscope.store._layout import LOCK, Layout
from cortexscope.store._lock import check_unlocked
from cortexscope.store._manifest import read_manifest

__all__ = ["ListedRun", "list_runs"]


State = Literal["complete", "running", "unfinished", "failed", "damaged"]
"""`failed`: it ended, and some of its models, or metrics of plug-ins, could not be measured."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run folder as a list shows it; of one that cannot be read, what is known is empty."""

    path: Path
    state: State
    """`running` while a process writes it; `unfinished` where none does and shards are lacking."""
    why: str
    """How far it is, or what is wrong; empty for a complete one."""
    models: tuple[str, ...]
    """Their labels."""
    suite: str | None
    prompts: int | None
    metrics: tuple[str, ...]
    """Their names."""
    size: int
    """Bytes of all its files."""
    created: str | None
    finished: str | None
    """UTC, ISO 8601; null until it is complete."""


def list_runs(folder: Path, *, depth: int = 3) -> list[ListedRun]:
    """Return the runs in a folder and below it, sorted by path; links are not followed.

    Only manifests, names, sizes and the ends of Parquet files are looked at: `examine` reads the
    rest.

    Args:
        folder: a run folder, or one that holds some.
        depth: how many folders further down a run is still found.

    Raises:
        UsageError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; give one that holds runs.")
    return sorted((_listed(path) for path in _below(folder, depth)), key=lambda run: run.path)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        here = Path(root)
        # Other programs have a manifest.json too.
        if "manifest.json" in files and ("prompts.parquet" in files or "measurements" in folders):
            folders.clear()
            yield here
        elif len(here.relative_to(folder).parts) >= depth:
            folders.clear()


def _listed(path: Path) -> ListedRun:
    size = _size(path)
    try:
        manifest = read_manifest(path)
    except StoreError as error:
        return ListedRun(path, "damaged", str(error), (), None, None, (), size, None, None)
    state, why = _state(Layout(path, manifest))
    return ListedRun(
        path=path,
        state=state,
        why=why,
        models=tuple(info.model for info in manifest.models),
        suite=manifest.suite.name,
        prompts=manifest.suite.prompts,
        metrics=tuple(manifest.metrics),
        size=size,
        created=manifest.created,
        finished=manifest.finished,
    )


def _state(layout: Layout) -> tuple[State, str]:
    far = _far(layout, layout.manifest)
    try:
        check_unlocked(layout.path / LOCK)
    except RunLockedError:
        return "running", far
    except StoreError as error:
        return "damaged", str(error)
    lost = layout.missing() if layout.manifest.status == "complete" else []
    wrong = [f"{file.name} is missing" for file in (*lost, *layout.missing_beside())]
    wrong += [f"{file.name} is damaged" for file in _unreadable(layout)]
    if wrong:
        more = f", and {len(wrong) - 1} more" if wrong[1:] else ""
        return "damaged", wrong[0] + more
    if layout.manifest.status == "failed":
        return "failed", ", ".join(layout.manifest.failed)
    return ("complete", "") if layout.manifest.status == "complete" else ("unfinished", far)


def _far(layout: Layout, manifest: Manifest) -> str:
    shards = [shard for info in manifest.models for shard in layout.shards(info.model)]
    there = sum(shard.is_file() for shard in shards)
    return f"{there} of {len(shards)} shards"


def _unreadable(layout: Layout) -> Iterator[Path]:
    """Yield the planned Parquet files that are there and whose end says not what they hold."""
    planned = [layout.path / name for name in ("prompts.parquet", "models.parquet")]
    for info in layout.manifest.models:
        planned += layout.wholes(info.model)
        for shard in layout.finished(info.model):
            planned += [shard, *layout.siblings(info.model, shard)]
    for file in planned:
        if file.suffix != ".parquet" or not file.is_file():
            continue
        try:
            pq.read_metadata(file)
        except (OSError, pa.ArrowException, UnicodeError):
            # A name whose bytes have changed is no text any more.
            yield file


def _size(path: Path) -> int:
    """Return the bytes of all files in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for root, _, files in os.walk(path):
        for name in files:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
