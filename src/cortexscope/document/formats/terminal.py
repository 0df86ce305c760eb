"""Write a document for a terminal: narrow, with tables that fold long cells."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

from cortexscope.document._table import Column, Part, Table
from cortexscope.document.formats.text import TextWriter
from cortexscope.texts import plain

if TYPE_CHECKING:
    from cortexscope.document._document import Document

__all__ = ["render"]

_WIDTH = 80
_LABEL = 28


def render(document: Document, *, width: int | None = None) -> str:
    """Return a document as lines that cannot steer a terminal.

    Args:
        document: what is shown.
        width: of a line, in columns; that of the terminal, at most 80, where None.
    """
    if width is None:
        width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
    return _TerminalWriter(width).document(document)


class _TerminalWriter(TextWriter):
    def heading(self, text: str, level: int = 1) -> str:
        return f"{plain(text)}\n"

    def table(self, table: Table, level: int) -> str:
        title = self._lines([plain(table.title)]) if table.title else ""
        parts = "\n".join(self._part(part) for part in table.parts)
        return title + parts + self._lines(map(plain, table.footnotes))

    def _part(self, part: Part) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for number, column in enumerate(part.columns):
            own = {"min_width": 16, "max_width": _LABEL} if not number else {}
            right = "right" if column.numeric else "left"
            grid.add_column(_head(column), justify=right, overflow="fold", **own)  # type: ignore[arg-type]
        for row in part.texts():
            grid.add_row(*(Text(plain(cell)) for cell in row))
        out = io.StringIO()
        Console(file=out, width=self._width, color_system=None).print(grid)
        lines = [line.rstrip() for line in out.getvalue().splitlines()]
        title = [f"{plain(part.title)}:"] if part.title else []
        return "".join(f"{line}\n" for line in (*title, *lines))


def _head(column: Column) -> object:
    from rich.text import Text

    # A word a line: columns are narrow.
    return Text("\n".join(plain(column.name).split()))
