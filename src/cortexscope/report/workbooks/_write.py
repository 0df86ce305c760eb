"""Write a run's workbooks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cortexscope.document import Document, render
from cortexscope.files import whole_file
from cortexscope.report._folder import folder_of
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks import WORKBOOKS
from cortexscope.store import Measurements, Run

__all__ = ["build_workbook", "write_workbooks"]


def build_workbook(run: Run | Measurements, key: str) -> Document:
    """Return a workbook of runs, finished or not, as data: a section a sheet.

    Args:
        run: one, or the measurements of several.
        key: of `WORKBOOKS`, such as `results`.

    Raises:
        UnknownNameError: if there is no such workbook.
        CorruptRunError: if a file of the run is missing or damaged.
    """
    frames = RunFrames(run)
    made: Document = WORKBOOKS.load(key)(frames, Labels(frames.measured.specs))
    return made


def write_workbooks(
    run: Run | Measurements, *, only: Collection[str] | None = None, out: Path | None = None
) -> tuple[Path, ...]:
    """Write a spreadsheet a workbook, named by its key; return the paths.

    Args:
        run: one, or the measurements of several.
        only: those with these keys, all where None.
        out: the folder, `workbooks` of the run where None.

    Raises:
        UnknownNameError: if there is no such workbook.
        UsageError: if there are several runs and no folder is named.
        StoreError: if the run cannot be read or a file cannot be written.
    """
    for key in only or ():
        WORKBOOKS.check(key)
    frames = RunFrames(run)
    folder, labels = folder_of(frames.measured, out), Labels(frames.measured.specs)
    folder = folder if out else folder / "workbooks"
    paths = []
    for key in WORKBOOKS.names():
        if only is not None and key not in only:
            continue
        content = render(WORKBOOKS.load(key)(frames, labels), "xlsx")
        assert isinstance(content, bytes)
        paths.append(folder / f"{key}.xlsx")
        with whole_file(paths[-1]) as part:
            part.write_bytes(content)
    return tuple(paths)
