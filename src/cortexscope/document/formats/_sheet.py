"""A table as a sheet of a workbook: cells, colours, comments, and how it prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from cortexscope.document._table import Column, Part
from cortexscope.texts import plain, plain_lines

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_ROWS", "Styles", "heighten", "write_sheet"]

MOST_ROWS = 1_048_576 - 1
"""Rows that a sheet has room for below its headings."""
_LONGEST = 32_767
"""Characters that a cell has room for, as UTF-16 counts them."""
_WIDEST, _WRAPPED, _NARROWEST = 44, 70, 9
"""Widths of columns, in characters."""
_FROZEN = 75
"""Widest names that stay in view: beyond, a small screen would show nothing else."""
_PAGE, _CROWDED = 180, 250
"""Characters that a printed page shows side by side; and the most, small, of a sheet of one."""
_LINE, _HIGHEST = 15, 409
"""Height of a line and of the highest row, in points."""
_COMMENTS = 1000
"""Comments of one sheet; its reasons are among the notes too."""
_COLOURS = {
    "high": ("#FFFFFF", "#CFE0F1", "#86B1DC"),
    "zero": ("#E8B182", "#FFFFFF", "#86B1DC"),
}
"""Of the lowest, the middle and the highest value: black is legible on all, and they differ in
lightness, so that they are told apart without colours too."""


class Styles:
    """The formats of a workbook's cells, each made once.

    Args:
        book: of xlsxwriter.
    """

    def __init__(self, book: Any) -> None:  # noqa: ANN401 - of xlsxwriter
        self._book = book
        self._numbers: dict[str, Any] = {}
        self.bold = book.add_format({"bold": True, "valign": "top"})
        self.link = book.add_format(
            {"bold": True, "valign": "top", "font_color": "#1F4E9E", "underline": 1}
        )
        # Text that follows a number must not touch it.
        text = {"valign": "top", "align": "left", "indent": 1}
        self.plain = book.add_format(text)
        self.wrapped = book.add_format({**text, "text_wrap": True})
        head = {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}
        head |= {"bg_color": "#EEF1F5"}
        self.head = book.add_format({**head, "align": "left", "indent": 1})
        self.head_of_numbers = book.add_format({**head, "align": "right"})

    def number(self, form: str) -> Any:  # noqa: ANN401 - of xlsxwriter
        """Return the style of a number, by Excel's code of its format."""
        if form not in self._numbers:
            self._numbers[form] = self._book.add_format({"num_format": form, "valign": "top"})
        return self._numbers[form]

    @staticmethod
    def text(sheet: Any, row: int, column: int, text: str, style: Any) -> None:  # noqa: ANN401
        """Write text as a cell can hold it: its lines, without control characters, cut if long."""
        sheet.write_string(row, column, _cut(plain_lines(text)), style)


def write_sheet(sheet: Any, part: Part, styles: Styles) -> None:  # noqa: ANN401 - of xlsxwriter
    """Write a part of a table into an empty sheet.

    Args:
        sheet: of xlsxwriter.
        part: what it shows; no more than its first `MOST_ROWS` rows.
        styles: of the workbook.
    """
    frame = part.frame.head(MOST_ROWS)
    widths = [_width(column, frame[column.name]) for column in part.columns]
    # The button of the filter takes the end of a heading's last line.
    heighten(
        sheet,
        0,
        [(column.name, width - 3) for column, width in zip(part.columns, widths, strict=True)],
    )
    for number, (column, width) in enumerate(zip(part.columns, widths, strict=True)):
        style = styles.head_of_numbers if column.numeric else styles.head
        styles.text(sheet, 0, number, plain(column.name), style)
        if column.note:
            sheet.write_comment(0, number, _cut(plain_lines(column.note)), {"x_scale": 2})
        sheet.set_column(number, number, width)
    # Row by row, as a workbook that is written to a file at once has to be.
    names = [column.name for column in part.columns]
    wraps = [place for place, column in enumerate(part.columns) if column.wraps]
    for row, values in enumerate(frame[names].itertuples(index=False, name=None), 1):
        heighten(sheet, row, [(str(values[place]), _WRAPPED) for place in wraps])
        for number, (value, column) in enumerate(zip(values, part.columns, strict=True)):
            _cell(sheet, row, number, value, column, styles)
    for (row, name), reason in list(_reasons(part, len(frame)))[:_COMMENTS]:
        sheet.write_comment(row + 1, names.index(name), _cut(plain_lines(reason)))
    for number, column in enumerate(part.columns):
        if column.graded:
            for first, last in _blocks(part, frame):
                _grade(sheet, first, last, number, frame[column.name], column)
    _look(sheet, part.columns, widths, len(frame))


def _cell(sheet: Any, row: int, number: int, value: Any, column: Column, styles: Styles) -> None:  # noqa: ANN401
    import pandas as pd

    if pd.isna(value):
        sheet.write_blank(row, number, None, styles.number(_format(column, 0.0)))
    elif isinstance(value, str) or (not column.numeric and isinstance(value, bool)):
        styles.text(
            sheet, row, number, str(value), styles.wrapped if column.wraps else styles.plain
        )
    elif not math.isfinite(value):
        styles.text(sheet, row, number, str(value), styles.plain)
    else:
        # A number in a column of texts is a number too.
        shown = column if column.numeric else Column("", "number", digits=6)
        sheet.write_number(row, number, float(value), styles.number(_format(shown, float(value))))


def _format(column: Column, value: float) -> str:
    """Return Excel's code for a number, which shows as many digits as `cell_text`."""
    if column.kind == "number" and column.digits is None:
        return "0." + "0" * column.decimals if column.decimals else "0"
    if column.kind == "number" and not float(value).is_integer():
        size = math.floor(math.log10(abs(value)))
        if size < -4:
            return "0." + "0" * ((column.digits or 1) - 1) + "E+00"
        decimals = max(0, (column.digits or 1) - 1 - size)
        return "0." + "0" * decimals if decimals else "#,##0"
    return "#,##0" if column.numeric else "@"


def _cut(text: str) -> str:
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * _LONGEST:
        return text
    return units[: 2 * (_LONGEST - 1)].decode("utf-16-le", "ignore") + "…"


def _width(column: Column, values: pd.Series[Any]) -> int:
    # A heading goes on in a second line at a space only, and shares its last one with a button.
    head = max(map(len, column.name.split()), default=0) + 3
    if column.wraps:
        return _WRAPPED
    if column.numeric:
        return max(_NARROWEST + 2, head, min(22, len(column.name) // 3))
    longest = max((len(line) for text in values for line in str(text).split("\n")), default=0)
    return max(_NARROWEST, min(_WIDEST, max(head, longest + 3)))


def heighten(sheet: Any, row: int, texts: Sequence[tuple[str, int]]) -> None:  # noqa: ANN401
    """Make a row as high as its texts need, each with the characters of a line.

    Not every program does so by itself.
    """
    lines = max((_lines(text, width) for text, width in texts), default=1)
    if lines > 1:
        sheet.set_row(row, min(lines * _LINE, _HIGHEST))


def _lines(text: str, width: int) -> int:
    if len(text) <= width and "\n" not in text:
        return 1
    cut = text[: _HIGHEST * width]
    return sum(max(len(wrap(line, max(width, 1))), 1) for line in cut.split("\n"))


def _reasons(part: Part, rows: int) -> Iterator[tuple[tuple[int, str], str]]:
    names = {column.name for column in part.columns}
    for (row, name), reason in part.reasons.items():
        if row < rows and name in names:
            yield (row, name), reason


def _blocks(part: Part, frame: pd.DataFrame) -> Iterator[tuple[int, int]]:
    """Yield the first and the last row, from 0, of those that are graded together."""
    if not len(frame):
        return
    keys = list(frame[list(part.within)].itertuples(index=False, name=None))
    keys = keys or [()] * len(frame)
    starts = [0, *(row for row in range(1, len(keys)) if keys[row] != keys[row - 1])]
    yield from zip(starts, [*(start - 1 for start in starts[1:]), len(keys) - 1], strict=True)


def _grade(
    sheet: Any,  # noqa: ANN401 - of xlsxwriter
    first: int,
    last: int,
    number: int,
    values: pd.Series[Any],
    column: Column,
) -> None:
    low, middle, high = _COLOURS[column.graded]
    scale: dict[str, Any] = {
        "type": "3_color_scale", "min_color": low, "mid_color": middle, "max_color": high,
    }  # fmt: skip
    if column.graded == "zero":
        far = values.iloc[first : last + 1].astype("float64").abs().max()
        if not far > 0:
            return
        scale |= dict.fromkeys(("min_type", "mid_type", "max_type"), "num")
        scale |= {"min_value": -float(far), "mid_value": 0, "max_value": float(far)}
    sheet.conditional_format(first + 1, number, last + 1, number, scale)


def _look(sheet: Any, columns: Sequence[Column], widths: Sequence[int], rows: int) -> None:  # noqa: ANN401
    """Keep names in view, let rows be filtered, and print wide sheets on pages side by side."""
    names = 0
    while (
        names < len(columns)
        and not (columns[names].numeric or columns[names].aside or columns[names].wraps)
        and (not names or sum(widths[: names + 1]) <= _FROZEN)
    ):
        names += 1
    sheet.freeze_panes(1, names)
    if rows:
        sheet.autofilter(0, 0, rows, len(columns) - 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.repeat_rows(0)
    fixed = sum(widths[:names])
    if names and names < len(columns):
        sheet.repeat_columns(0, names - 1)
    pages = 1
    if sum(widths) > _CROWDED:
        pages = math.ceil((sum(widths) - fixed) / max(_PAGE - fixed, 50))
    sheet.fit_to_pages(pages, 0)
    sheet.print_area(0, 0, rows, max(len(columns) - 1, 0))
    sheet.set_footer("&L&A&RPage &P of &N")
