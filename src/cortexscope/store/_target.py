"""What writing a run into a folder would be: a new one, a continued one, or a loss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from cortexscope.errors import RunExistsError
from cortexscope.files import is_leftover, storage_errors
from cortexscope.store._layout import HEADS, LOCK
from cortexscope.store._lock import check_unlocked
from cortexscope.store._manifest import has_manifest
from cortexscope.store._reader import Run

__all__ = ["check_contents", "check_target"]


def check_target(
    path: Path, *, resume: bool = False, force: bool = False
) -> Literal["new", "replace", "resume"]:
    """Say what writing a run to `path` would be, or refuse; writes nothing.

    Raises:
        RunExistsError: if something there would be lost.
        RunLockedError: if another process is writing there.
        StoreError: if the place cannot be written.
    """
    check_unlocked(path / LOCK)
    return check_contents(path, resume=resume, force=force)


def check_contents(path: Path, *, resume: bool, force: bool) -> Literal["new", "replace", "resume"]:
    """Do as `check_target` does, without regard to who is writing there."""
    with storage_errors(path):
        if path.exists() and not path.is_dir():
            raise RunExistsError(f"{path} is a file; choose a folder with --out.")
        entries = [*path.iterdir()] if path.exists() else []
        nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not os.access(nearest, os.W_OK):
            raise PermissionError(13, "Permission denied", str(nearest))
    # What a process killed at its very start leaves behind is no run, and nothing to lose.
    if all(entry.name in (*HEADS[:-1], LOCK) or is_leftover(entry) for entry in entries):
        return "new"
    if not has_manifest(path):
        if force and (path / "measurements").exists():
            raise RunExistsError(
                f"{path} holds a folder `measurements` and is not a run; move that folder away, "
                "or choose another --out."
            )
        if force:
            return "replace"
        raise RunExistsError(
            f"{path} holds files and is not a run; choose another --out, "
            "or write into it with --force."
        )
    if resume:
        return "resume"
    if force:
        return "replace"
    manifest = Run(path).manifest
    if manifest.status == "failed":
        raise RunExistsError(
            f"{path} holds a run in which {', '.join(manifest.failed)} failed; try that again "
            "with --resume, or replace it with --force."
        )
    if manifest.status == "complete":
        raise RunExistsError(
            f"{path} holds a finished run; choose another --out, or replace it with --force."
        )
    raise RunExistsError(
        f"{path} holds an interrupted run; continue it with --resume, or replace it with --force."
    )
