"""Where what is made of runs goes."""

from __future__ import annotations

from pathlib import Path

from cortexscope.errors import UsageError
from cortexscope.store import Measurements

__all__ = ["folder_of"]


def folder_of(measured: Measurements, out: Path | None) -> Path:
    """Return the folder that is named, or that of the run alone.

    Raises:
        UsageError: if there are several runs and no folder is named.
    """
    if out is None and len(measured.runs) > 1:
        raise UsageError("Several runs have no folder of their own; name one with --out.")
    return out or measured.runs[0].path
