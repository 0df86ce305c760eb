"""Write a document's tables as a workbook; a text is text there, never a formula."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cortexscope.document._table import Table
from cortexscope.document.formats._sheet import MOST_ROWS, Styles, heighten, write_sheet
from cortexscope.texts import plain

if TYPE_CHECKING:
    from cortexscope.document._document import Document

__all__ = ["render"]

_LONGEST = 31
"""Characters of a sheet's name."""
_LARGE = 3_000_000
"""Cells; beyond, rows go to a temporary file, which takes less memory and makes a larger file."""
_UNDATED = datetime(1980, 1, 1, tzinfo=UTC)
"""Of a document without a date, the first that a zip can have: not the clock's, by which the same
document would be another file each second."""


def render(document: Document) -> bytes:
    """Return a workbook: one sheet a table, and a sheet of notes.

    Numbers are numbers in full precision, shown with the table's digits; an undefined value is an
    empty cell, with its reason as a comment. Names stay in view, every sheet can be filtered and
    prints with its headings, and columns that ask for it are coloured by value.
    """
    import xlsxwriter

    tables = document.tables
    flat = [table.flat() for table in tables]
    options = {
        "in_memory": True,
        "constant_memory": sum(part.frame.size for part in flat) > _LARGE,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    buffer = io.BytesIO()
    names = _names(tables)
    with xlsxwriter.Workbook(buffer, options) as book:
        title = plain(document.title or document.heading)
        book.set_properties({"title": title, "created": document.made or _UNDATED})
        styles = Styles(book)
        for name, part in zip(names, flat, strict=True):
            write_sheet(book.add_worksheet(name), part, styles)
        _notes(book, names, tables, styles)
    return buffer.getvalue()


def _names(tables: Sequence[Table]) -> list[str]:
    """Return a name a table: its number, or its title as far as a sheet can bear it."""
    names: list[str] = []
    taken = {"notes", "history"}  # The second is Excel's own.
    for place, table in enumerate(tables, 1):
        title = plain(table.title) if table.number is None else f"Table {table.number}"
        kept = "".join(" " if c in r"[]:*?/\'" else c for c in title)
        first = " ".join(kept.split())[:_LONGEST].strip() or f"Sheet {place}"
        name, count = first, 1
        while name.casefold() in taken:
            count += 1
            end = f" {count}"
            name = first[: _LONGEST - len(end)] + end
        taken.add(name.casefold())
        names.append(name)
    return names


def _notes(book: Any, names: Sequence[str], tables: Sequence[Table], styles: Styles) -> None:  # noqa: ANN401 - of xlsxwriter
    sheet = book.add_worksheet("Notes")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 100)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    row = 0
    for name, table in zip(names, tables, strict=True):
        sheet.write_url(row, 0, f"internal:'{name}'!A1", styles.link, name)
        styles.text(sheet, row, 1, table.title if table.title != name else "", styles.bold)
        notes = [*table.footnotes]
        if (left := len(table.frame) - MOST_ROWS) > 0:
            notes.append(f"The last {left:,} rows are left out: a sheet has no room for them.")
        for number, note in enumerate(notes, 1):
            heighten(sheet, row + number, [(note, 96)])
            styles.text(sheet, row + number, 1, note, styles.wrapped)
        row += len(notes) + 2
