"""Write tables as a spreadsheet; what a label says is text there, never a formula."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexscope.files import whole_file
from cortexscope.records import Manifest
from cortexscope.report._table import Column, Part, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["save_xlsx"]

_WIDEST = 44


def save_xlsx(tables: Sequence[Table], manifest: Manifest, path: Path) -> None:
    """Write one sheet a table and a sheet of notes, whole or not at all.

    Numbers are in full precision and shown with the table's decimals; an undefined value is an
    empty cell.

    Raises:
        StoreError: if the file cannot be written.
    """
    import xlsxwriter

    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, options) as book:
        # Without a date of its own the file would differ at every writing.
        made = datetime.datetime.fromisoformat(manifest.finished or manifest.created)
        book.set_properties({"title": "cortexscope tables", "created": made})
        for table in tables:
            _sheet(book, f"Table {table.number}", table.flat())
        _notes(book, tables)
    with whole_file(path) as part:
        part.write_bytes(buffer.getvalue())


def _sheet(book: Any, name: str, part: Part) -> None:  # noqa: ANN401 - of xlsxwriter
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": False})
    for number, column in enumerate(part.columns):
        form = book.add_format({"num_format": _number_format(column)})
        values = part.frame[column.name]
        sheet.write_string(0, number, column.name, bold)
        for row, value in enumerate(values, 1):
            _cell(sheet, row, number, value, column, form)
        sheet.set_column(number, number, _width(column, values))
    sheet.freeze_panes(1, 1)
    if len(part.frame):
        sheet.autofilter(0, 0, len(part.frame), len(part.columns) - 1)


def _cell(sheet: Any, row: int, number: int, value: Any, column: Column, form: Any) -> None:  # noqa: ANN401
    import pandas as pd

    if pd.isna(value):
        sheet.write_blank(row, number, None, form)
    elif column.kind == "text":
        sheet.write_string(row, number, str(value))
    else:
        sheet.write_number(row, number, float(value), form)


def _number_format(column: Column) -> str:
    if column.kind == "number":
        return "0." + "0" * column.decimals
    return "0" if column.kind == "integer" else "@"


def _width(column: Column, values: pd.Series[Any]) -> int:
    texts = [str(value) for value in values] if column.kind == "text" else []
    return min(_WIDEST, max([len(column.name) + 3, *(len(text) + 2 for text in texts)]))


def _notes(book: Any, tables: Sequence[Table]) -> None:  # noqa: ANN401 - of xlsxwriter
    sheet = book.add_worksheet("Notes")
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
    sheet.set_column(0, 0, 10)
    sheet.set_column(1, 1, 100)
    row = 0
    for table in tables:
        sheet.write_string(row, 0, f"Table {table.number}", bold)
        sheet.write_string(row, 1, table.title, bold)
        for number, note in enumerate(table.notes, 1):
            sheet.write_string(row + number, 1, note, wrap)
        row += len(table.notes) + 2
