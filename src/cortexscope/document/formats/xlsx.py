"""Write a document's tables as a spreadsheet; a text is text there, never a formula."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cortexscope.document._table import Column, Part, Table
from cortexscope.texts import plain

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.document._document import Document

__all__ = ["render"]

_WIDEST = 44
_UNDATED = datetime(1980, 1, 1, tzinfo=UTC)
"""Of a document without a date, the first that a zip can have: not the clock's, by which the same
document would be another file each second."""


def render(document: Document) -> bytes:
    """Return a workbook: one sheet a table, and a sheet of notes.

    Numbers are in full precision and shown with the table's decimals; an undefined value is an
    empty cell, with its reason as a comment.
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
        title = plain(document.title or document.heading)
        book.set_properties({"title": title, "created": document.made or _UNDATED})
        for place, table in enumerate(document.tables, 1):
            _sheet(book, _named(table, place), table.flat())
        _notes(book, document.tables)
    return buffer.getvalue()


def _named(table: Table, place: int) -> str:
    # A sheet's name has few characters and no two are alike; a key may be anything.
    return f"Table {place if table.number is None else table.number}"


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
    elif not column.numeric:
        sheet.write_string(row, number, str(value))
    else:
        sheet.write_number(row, number, float(value), form)


def _number_format(column: Column) -> str:
    if column.digits is not None:
        return "General"
    if column.kind == "number":
        return "0." + "0" * column.decimals
    return "0" if column.kind == "integer" else "@"


def _width(column: Column, values: pd.Series[Any]) -> int:
    texts = [str(value) for value in values] if not column.numeric else []
    return min(_WIDEST, max([len(column.name) + 3, *(len(text) + 2 for text in texts)]))


def _notes(book: Any, tables: Sequence[Table]) -> None:  # noqa: ANN401 - of xlsxwriter
    sheet = book.add_worksheet("Notes")
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
    sheet.set_column(0, 0, 10)
    sheet.set_column(1, 1, 100)
    row = 0
    for place, table in enumerate(tables, 1):
        sheet.write_string(row, 0, _named(table, place), bold)
        sheet.write_string(row, 1, table.title, bold)
        for number, note in enumerate(table.footnotes, 1):
            sheet.write_string(row + number, 1, note, wrap)
        row += len(table.footnotes) + 2
