"""The published tables as they are printed, read from the text file or a spreadsheet of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from cortexscope.audit._rounding import is_number
from cortexscope.audit._workbook import text_of
from cortexscope.errors import UsageError
from cortexscope.files import sha256_of

__all__ = ["Published", "Row", "Table", "read_published", "role_of"]

_TITLE = re.compile(r"TABLE (\d+): (.*)")
_HEADING = re.compile(r"([A-Z][A-Za-z ]+): +(.+)")
_LIST = re.compile(r"(Top .*):")
_LOOKED_AT = 12
_WORDS = {"Model", "Model_Name", "Architecture", "Parameters", "Category", "List"}
_UNDEFINED = {"", "–", "-", "nan", "NaN"}
_TABLES = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, by column, as printed."""

    cells: Mapping[str, str]
    place: str
    """Such as `line 17`."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or one list of Table 6."""

    number: int
    """What its columns make it, whatever its title says."""
    titled: int
    """The number in its title."""
    part: str | None
    """The heading of a list of Table 6."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    place: str
    title: str = ""
    """What it is called, after its number."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file of the study's tables."""

    path: Path
    sha256: str
    headings: Mapping[str, tuple[str, str]]
    """Such as `Total Models`: what it says, and where."""
    tables: tuple[Table, ...]
    unknown: tuple[str, ...]
    """Tables of the file whose columns are not those of the study; they are not looked at."""

    def table(self, number: int) -> Table | None:
        """Return a table that has one part; None where the file lacks it."""
        return next((table for table in self.tables if table.number == number), None)

    @property
    def lists(self) -> tuple[Table, ...]:
        """The lists of Table 6."""
        return tuple(table for table in self.tables if table.number == 6)


def role_of(columns: Sequence[str]) -> int | None:
    """Return which of the study's tables has these columns; None where none has.

    Example:
        >>> role_of(["Model", "Category", "Final_Activation", "Inputs_Analyzed"])
        1
        >>> role_of(["Task", "Model", "Brain_Region"]) is None
        True
    """
    names = set(columns)
    if {"Model", "Category"} <= names:
        if "Inputs_Analyzed" in names:
            return 1
        return 6 if len(names) > 2 else None
    if "Model" in names:
        return 2 if {"Architecture", "Parameters"} & names else None
    if "Category" in names:
        return 3 if any(name.endswith("_mean") for name in names) else None
    if "Architecture" in names:
        return 4
    return 5 if "Parameters" in names else None


def read_published(
    path: Path, sheets: Iterable[tuple[str, Sequence[Sequence[object]]]] | None = None
) -> Published | None:
    """Return the study's tables of a file; None where a spreadsheet has no Table 1.

    Args:
        path: the file.
        sheets: title and rows of each sheet of a spreadsheet; None for a text file.

    Raises:
        UsageError: if it cannot be read, or is no file of the study's tables.
    """
    read = _text(path) if sheets is None else _of_sheets(sheets)
    found = [table.number for table in read.tables]
    if 1 not in found:
        if sheets is not None:
            return None
        _no_such_file(path, "it has no table with the columns Model, Category and Inputs_Analyzed")
    if sheets is None:
        _whole(path, read.tables)
    _numbers(path, read.tables)
    doubled = next((n for n in sorted(set(found)) if n < 6 and found.count(n) > 1), None)
    if doubled:
        _no_such_file(path, f"Table {doubled} stands in it {found.count(doubled)} times")
    return Published(path, sha256_of(path), read.headings, tuple(read.tables), tuple(read.unknown))


def _no_such_file(path: Path, why: str) -> NoReturn:
    raise UsageError(
        f"{path.name} is not a file of the study's tables: {why}; give the text file of Tables 1 "
        "to 6, or a spreadsheet of them."
    )


def _whole(path: Path, tables: Sequence[Table]) -> None:
    """Refuse a text file that stops early."""
    missing = [n for n in range(1, _TABLES + 1) if all(table.number != n for table in tables)]
    last = tables[-1]
    stated = re.search(r"\bTop (\d+)\b", last.part or "")
    if missing:
        why = f"it has no Table {' and no Table '.join(map(str, missing))}"
    elif stated and len(last.rows) < min(int(stated[1]), len(tables[0].rows)):
        why = f"its last list, {last.part}, has {len(last.rows)} rows"
    else:
        return
    raise UsageError(f"{path.name} is cut short: {why}; give the whole file as it was published.")


def _numbers(path: Path, tables: Sequence[Table]) -> None:
    """Refuse words where a figure belongs."""
    for table, row in ((own, row) for own in tables for row in own.rows):
        for name, text in row.cells.items():
            if name not in _WORDS and text not in _UNDEFINED and not is_number(text):
                raise UsageError(
                    f"{path.name}, {row.place}: {name} of Table {table.number} is {text!r}, "
                    "which is no number; give the file as it was published."
                )


class _Read(NamedTuple):
    headings: dict[str, tuple[str, str]]
    tables: list[Table]
    unknown: list[str]


def _text(path: Path) -> _Read:
    content = path.read_bytes()
    if b"\0" in content:
        _no_such_file(path, "it is neither text nor a spreadsheet")
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    headings: dict[str, tuple[str, str]] = {}
    blocks: list[tuple[int, str, str | None, list[tuple[int, str]]]] = []
    titled, name = 0, ""
    for number, line in enumerate(lines, 1):
        title, heading, listed = (
            pattern.match(line.strip()) for pattern in (_TITLE, _HEADING, _LIST)
        )
        if title:
            titled, name = int(title[1]), title[2].strip()
            blocks.append((titled, name, None, []))
        elif titled and listed:
            blocks.append((titled, name, listed[1], []))
        elif heading and (not titled or heading[1] == "Note"):
            if not titled:
                headings[heading[1]] = (heading[2].strip(), f"line {number}")
        elif titled and line.strip() and set(line.strip()) != {"-"}:
            blocks[-1][-1].append((number, line))
    made = [_block(path, *block) for block in blocks if block[-1]]
    unknown = [table for table in made if isinstance(table, str)]
    return _Read(headings, [table for table in made if isinstance(table, Table)], unknown)


def _block(
    path: Path, titled: int, name: str, part: str | None, lines: list[tuple[int, str]]
) -> Table | str:
    (first, head), *rest = lines
    columns = head.split()
    if rest and rest[0][1].split() == ["Category"] and "Category" not in columns:
        # As pandas prints an index: its name on a line of its own.
        columns, rest = ["Category", *columns], rest[1:]
    number = role_of(columns)
    where = f"Table {titled}" + (f", {part}" if part else "")
    if number is None:
        return f"{where} (line {first})"
    rows = []
    for line, text in rest:
        cells = text.split()
        if len(cells) != len(columns):
            _no_such_file(
                path,
                f"line {line} has {len(cells)} values where {where} has {len(columns)} columns",
            )
        rows.append(Row(dict(zip(columns, cells, strict=True)), f"line {line}"))
    return Table(number, titled, part, tuple(columns), tuple(rows), f"line {first}", name)


def _of_sheets(sheets: Iterable[tuple[str, Sequence[Sequence[object]]]]) -> _Read:
    found = [(f"sheet {title!r}", list(_sheet(title, rows))) for title, rows in sheets]
    tables = [table for _, own in found for table in own]
    return _Read({}, tables, [place for place, own in found if not own])


def _sheet(title: str, rows: Sequence[Sequence[object]]) -> Iterator[Table]:
    heads = [list(map(text_of, row)) for row in rows[:_LOOKED_AT]]
    number = next((n for n, head in enumerate(heads) if role_of(head) is not None), None)
    if number is None:
        return
    columns, role = heads[number], role_of(heads[number])
    assert role is not None
    read = [
        Row(
            {name: text_of(value) for name, value in zip(columns, values, strict=False) if name},
            f"sheet {title!r}, row {line}",
        )
        for line, values in enumerate(rows[number + 1 :], number + 2)
        if any(value is not None for value in values)
    ]
    stated = re.search(r"\d+", title)
    titled = int(stated[0]) if stated else role
    names, place = tuple(name for name in columns if name), f"sheet {title!r}"
    if role != 6 or "List" not in columns:
        yield Table(role, titled, title if role == 6 else None, names, tuple(read), place)
        return
    for part in dict.fromkeys(row.cells["List"] for row in read):
        own = tuple(row for row in read if row.cells["List"] == part)
        yield Table(role, titled, part, names, own, place)
