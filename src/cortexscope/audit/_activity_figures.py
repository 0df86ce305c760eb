"""A figure of a spreadsheet beside what its long sheet makes it."""

from __future__ import annotations

from cortexscope.audit._records import WrongFigure
from cortexscope.audit._workbook import Sheet, Workbook

__all__ = ["Due", "compared", "near"]

Due = float | int | frozenset[str]
"""What a figure should be: a number, or one of several names."""

_CLOSE = 1e-9


def near(printed: object, due: object) -> bool:
    """Return whether a figure is what it should be, to nine digits.

    Example:
        >>> near(1.0, 1.0 + 1e-12), near("a", frozenset({"a", "b"})), near("1", 1.0)
        (True, True, False)
    """
    if isinstance(due, frozenset):
        return printed in due
    if not isinstance(printed, int | float) or not isinstance(due, int | float):
        return False
    return abs(printed - due) <= _CLOSE * max(1.0, abs(due))


def compared(
    book: Workbook,
    sheet: Sheet,
    number: int,
    row: str,
    column: str,
    printed: object,
    due: Due,
    why: str,
) -> WrongFigure:
    """Return the comparison; printed and recomputed are the same text where the two agree."""
    text = "" if printed is None else str(printed).strip()
    recomputed = text
    if not near(text if isinstance(due, frozenset) else printed, due):
        recomputed = " or ".join(sorted(due)) if isinstance(due, frozenset) else f"{due:.15g}"
    return WrongFigure(
        table=sheet.title,
        part=None,
        row=row,
        column=column,
        place=f"{book.path.name}, row {number}",
        printed=text,
        recomputed=recomputed,
        kind="figure of a spreadsheet",
        why=why,
    )
