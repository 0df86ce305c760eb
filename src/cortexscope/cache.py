"""Where what was fetched or converted is kept between runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

import platformdirs

__all__ = ["cache_folder"]

_STALE = 24 * 3600.0


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of cached thing, free of what a killed process left there.

    It lies in the user's cache, or in the folder that `CORTEXSCOPE_CACHE` names.
    """
    chosen = os.environ.get("CORTEXSCOPE_CACHE")
    root = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("cortexscope")
    folder = root / kind
    for leftover in folder.glob(".part-*"):
        with contextlib.suppress(OSError):
            # A younger one may belong to a process that is still at work.
            if time.time() - leftover.stat().st_mtime > _STALE:
                shutil.rmtree(leftover, ignore_errors=True)
    return folder
