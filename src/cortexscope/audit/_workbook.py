"""The study's spreadsheets: what each sheet holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cortexscope.errors import UsageError
from cortexscope.files import sha256_of
from cortexscope.tasks.sources.xlsx import cells_of, open_book

__all__ = ["Sheet", "Workbook", "open_workbook", "read_workbook", "text_of"]

_ACTIVITY = {"Task", "Model", "Brain_Region", "Activity_Level"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet, its first row taken as the names of its columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    """As long as there are columns; None where a cell is empty."""

    def column(self, name: str) -> list[object]:
        """Return a column's values."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Workbook:
    """A spreadsheet of the study that does not hold its tables."""

    path: Path
    sha256: str
    sheets: tuple[Sheet, ...]

    @property
    def long(self) -> Sheet:
        """The sheet with one activity of a brain region in a row."""
        return next(sheet for sheet in self.sheets if set(sheet.columns) >= _ACTIVITY)


def open_workbook(path: Path) -> list[tuple[str, list[tuple[object, ...]]]]:
    """Return the sheets of a spreadsheet: title and rows.

    Raises:
        UsageError: if it is damaged, or larger than any of the study's.
    """
    try:
        with path.open("rb") as file:
            book = open_book(file, path.name)
            return [(sheet.title, list(cells_of(sheet, path.name))) for sheet in book]
    except UsageError:
        raise
    # A workbook is a program's own format in many parts, each of which may be damaged in its way.
    except Exception as error:
        raise UsageError(
            f"{path.name} is a damaged spreadsheet ({type(error).__name__}); fetch it again, or "
            "leave it out."
        ) from error


def read_workbook(path: Path, sheets: Iterable[tuple[str, Sequence[Sequence[object]]]]) -> Workbook:
    """Return a spreadsheet of the study from its sheets.

    Raises:
        UsageError: if no sheet of it is one that the study's spreadsheets have.
    """
    made = tuple(_sheet(title, rows) for title, rows in sheets if rows)
    if not any(set(sheet.columns) >= _ACTIVITY for sheet in made):
        names = ", ".join(sheet.title for sheet in made) or "none"
        raise UsageError(
            f"{path.name} is none of the study's files: none of its sheets ({names}) has the "
            "columns of Table 1 (Model, Category, Inputs_Analyzed) or those of its other data "
            "(Task, Model, Brain_Region, Activity_Level); give a file of the study's data/raw."
        )
    return Workbook(path, sha256_of(path), made)


def _sheet(title: str, rows: Sequence[Sequence[object]]) -> Sheet:
    names = tuple(map(text_of, rows[0]))
    width = len(names)
    return Sheet(title, names, tuple((*row, *[None] * width)[:width] for row in rows[1:]))


def text_of(cell: object) -> str:
    """Return what a cell holds as text; empty where it holds nothing."""
    return "" if cell is None else str(cell).strip()
