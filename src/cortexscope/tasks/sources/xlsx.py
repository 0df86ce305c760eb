"""Workbooks: the rows of a sheet, whose first one names the columns."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import date, time
from typing import Any, BinaryIO

from cortexscope.errors import SuiteError
from cortexscope.registry import suggestion
from cortexscope.tasks.sources._options import ReadOptions
from cortexscope.tasks.sources._source import Raw, Source

__all__ = ["cells_of", "open_book", "rows"]

_LARGEST = 2**28
"""Bytes of a workbook's parts together; a small file can claim to hold any number."""
_EMPTY = 2**22
"""Cells of a sheet; those between two others are made though the file holds nothing of them."""
_EMPTY_ROW = 16
"""Cells that an empty row counts as, for the work with it."""
_SPARSEST = 20
"""Empty cells for a filled one, beyond which a sheet of that many is none of prompts."""


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the rows of the sheet that was named, or of the only one that holds any.

    A cell with a formula has the value that was computed when it was saved.

    Raises:
        SuiteError: if it is no workbook, or damaged, or it is not certain which sheet is meant.
    """
    with source.opened() as stream:
        held = io.BytesIO(stream.read(_LARGEST + 1))
    try:
        book = open_book(held, source.shown)
        yield from _of_sheet(source, _sheet(source, book, options.sheet), header=options.header)
    except SuiteError:
        raise
    # A workbook is a program's own format in many parts, each of which may be damaged in its way.
    except Exception as error:
        raise SuiteError(
            f"{source.shown} cannot be read as a workbook ({type(error).__name__}); save it again "
            "as .xlsx, or the sheet as CSV."
        ) from error


def open_book(held: BinaryIO, shown: str) -> Any:  # noqa: ANN401 - openpyxl's
    """Return a workbook to be read row by row; a damaged one raises nearly any error.

    Args:
        held: its content.
        shown: its name in sentences.

    Raises:
        SuiteError: if it unpacks to more than any workbook.
    """
    import openpyxl

    with zipfile.ZipFile(held) as parts:
        size = sum(part.file_size for part in parts.infolist())
    if size > _LARGEST:
        raise SuiteError(
            f"{shown} unpacks to {size / 2**20:,.0f} MB, too much for a workbook; save the sheet "
            "as CSV or Parquet."
        )
    return openpyxl.load_workbook(held, read_only=True, data_only=True)


def cells_of(sheet: Any, shown: str) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - openpyxl's
    """Yield the values of each row of a sheet, empty rows and cells between others too.

    Raises:
        SuiteError: if nearly all cells are empty ones, as one cell at the far end makes them.
    """
    filled = empty = 0
    for row in sheet.iter_rows(values_only=True):
        none = row.count(None)
        filled, empty = filled + len(row) - none, empty + max(_EMPTY_ROW, none)
        if empty > _EMPTY and empty > _SPARSEST * filled:
            raise SuiteError(
                f"{shown} has more than {_EMPTY:,} empty cells up to the last of its sheet "
                f"{sheet.title!r}; delete what is far from the others, or save it as CSV."
            )
        yield row


def _sheet(source: Source, book: Any, name: str | None) -> Any:  # noqa: ANN401 - openpyxl's
    if name is not None:
        if name not in book.sheetnames:
            raise SuiteError(
                f"{source.shown} has no sheet {name!r}; {suggestion(name, book.sheetnames)}"
            )
        return book[name]
    filled = [sheet for sheet in book.worksheets if any(map(_filled, sheet.iter_rows(max_row=20)))]
    if not filled:
        raise SuiteError(f"{source.shown} is empty; write at least one prompt into it.")
    if len(filled) > 1:
        names = ", ".join(repr(sheet.title) for sheet in filled)
        raise SuiteError(
            f"{source.shown} has rows in the sheets {names}; say which to read with --sheet."
        )
    return filled[0]


def _filled(cells: tuple[Any, ...]) -> bool:
    return any(cell.value is not None for cell in cells)


def _of_sheet(source: Source, sheet: Any, *, header: bool) -> Iterator[Raw]:  # noqa: ANN401
    names: list[str] | None = None
    for number, cells in enumerate(cells_of(sheet, source.shown), start=1):
        values = [_plain(value) for value in cells]
        if all(value is None for value in values):
            continue
        if names is None:
            names = [str(place) for place in range(1, len(values) + 1)]
            if header:
                names = ["" if value is None else str(value).strip() for value in values]
                for name, times in Counter(names).items():
                    if name and times > 1:
                        raise SuiteError(
                            f"{source.place(number)}: the column {name!r} comes twice; delete or "
                            "rename one."
                        )
                continue
        yield Raw(number, {name: v for name, v in zip(names, values, strict=False) if name})
    if names is None:
        raise SuiteError(f"{source.shown} is empty; write at least one prompt into it.")


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | time) else value
