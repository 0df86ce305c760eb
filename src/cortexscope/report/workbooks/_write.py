"""Write a run's workbooks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cortexscope.document import Document, render
from cortexscope.files import whole_file
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks import WORKBOOKS
from cortexscope.store import Run

__all__ = ["build_workbook", "write_workbooks"]


def build_workbook(run: Run, key: str) -> Document:
    """Return a workbook of a run, finished or not, as data: a section a sheet.

    Args:
        run: the run folder.
        key: of `WORKBOOKS`, such as `results`.

    Raises:
        UnknownNameError: if there is no such workbook.
        CorruptRunError: if a file of the run is missing or damaged.
    """
    made: Document = WORKBOOKS.load(key)(RunFrames(run), Labels(run.manifest.metrics))
    return made


def write_workbooks(
    run: Run, *, only: Collection[str] | None = None, out: Path | None = None
) -> tuple[Path, ...]:
    """Write a spreadsheet a workbook, named by its key; return the paths.

    Args:
        run: the run folder.
        only: those with these keys, all where None.
        out: the folder, `workbooks` of the run where None.

    Raises:
        UnknownNameError: if there is no such workbook.
        StoreError: if the run cannot be read or a file cannot be written.
    """
    for key in only or ():
        WORKBOOKS.check(key)
    frames, labels = RunFrames(run), Labels(run.manifest.metrics)
    paths = []
    for key in WORKBOOKS.names():
        if only is not None and key not in only:
            continue
        content = render(WORKBOOKS.load(key)(frames, labels), "xlsx")
        assert isinstance(content, bytes)
        paths.append((out or run.path / "workbooks") / f"{key}.xlsx")
        with whole_file(paths[-1]) as part:
            part.write_bytes(content)
    return tuple(paths)
