"""The study's spreadsheets: what each sheet holds, beside what the study says it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cortexscope.audit._claims import WorkbookOf, spoken
from cortexscope.audit._published import Published
from cortexscope.audit._records import Check, Quantity, Source
from cortexscope.errors import UsageError
from cortexscope.files import sha256_of

__all__ = ["Sheet", "Workbook", "judge_workbook", "open_workbook", "read_workbook"]

_METRICS = ("Final_Activation", "Attention_Entropy", "Max_Sparsity")
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
        UsageError: if it is damaged, or openpyxl is not installed.
    """
    import zipfile

    try:
        import openpyxl
    except ImportError as error:
        raise UsageError(
            f"Reading {path.name} needs openpyxl, which is not installed; `pip install openpyxl`, "
            "or give the text file of the tables."
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets = [(sheet.title, list(sheet.iter_rows(values_only=True))) for sheet in book]
        book.close()
    except (OSError, KeyError, ValueError, EOFError, AttributeError, TypeError, SyntaxError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise UsageError(
            f"{path.name} is a damaged spreadsheet ({type(error).__name__}); fetch it again, or "
            "leave it out."
        ) from error
    return sheets


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
    names = [_text(cell) for cell in rows[0]]
    width = len(names)
    filled = [(*row, *[None] * width)[:width] for row in rows[1:]]
    return Sheet(title, tuple(names), tuple(filled))


def judge_workbook(
    spec: WorkbookOf,
    workbooks: Sequence[Workbook],
    published: Published | None,
    models: Mapping[str, str],
    otherwise: Source,
) -> Check:
    """Compare what a spreadsheet holds with the tables that it is said to hold.

    Args:
        spec: the claim.
        workbooks: the spreadsheets given.
        published: the file of Table 1, where one is given; a spreadsheet can be that itself.
        models: hub ids of the study's models, by label.
        otherwise: what other claims are checked against, for a spreadsheet that was not given.
    """
    against: Source = "the published files"
    if published is not None and published.path.name == spec.file:
        return Check(against, "holds", "It holds Table 1, and is what is checked here.")
    book = next((book for book in workbooks if book.path.name == spec.file), None)
    if book is None:
        return Check(otherwise, "cannot be checked", "This file was not given.")
    columns = {name for sheet in book.sheets for name in sheet.columns}
    held = [metric for metric in _METRICS if metric in columns]
    long = book.long
    names = {str(name).lower() for name in long.column("Model")}
    if "Model_Full" in long.columns:
        names |= {str(name).lower() for name in long.column("Model_Full")}
    shared = [label for label, hub in models.items() if _is_in(hub, names)]
    count = {what: len(set(long.column(what))) for what in ("Model", "Task", "Brain_Region")}
    measured = f"activity of {count['Brain_Region']} brain regions"
    quantities = (
        Quantity("of the 3 metrics", "3", len(held), right=len(held) == len(_METRICS)),
        Quantity("of the 6 models", str(len(models)), len(shared), note=", ".join(shared)),
        Quantity("models in it", None, count["Model"]),
        Quantity("tasks in it", None, count["Task"]),
    )
    if len(held) == len(_METRICS):
        return Check(against, "cannot be checked", "Its tables have other columns.", quantities)
    missing = ", ".join(spoken(metric) for metric in _METRICS if metric not in held)
    said = (
        f"None of its {len(book.sheets)} sheets has {missing}. They hold the {measured} for "
        f"{count['Model']} models and {count['Task']} tasks; of the study's {len(models)} models "
        f"{len(shared) or 'none'} {'are' if len(shared) != 1 else 'is'} among them."
    )
    return Check(against, "contradicted", said, quantities)


def _is_in(hub: str, names: set[str]) -> bool:
    return hub.lower() in names or hub.lower().rsplit("/", 1)[-1] in names


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()
