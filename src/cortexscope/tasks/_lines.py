"""Read a suite from a CSV or JSONL file: one prompt a row, with `task`, `id` and `text`."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cortexscope.errors import SuiteError
from cortexscope.tasks._reading import (
    Document,
    Place,
    Row,
    Section,
    check_names,
    checked_row,
    read_text,
)

__all__ = ["UNVERSIONED", "read_csv", "read_jsonl"]

UNVERSIONED = "unversioned"
"""The version of a suite whose format has no place for one; its hash still tells it apart."""

_COLUMNS = ("task", "id", "text")
_FIELD_LIMIT = 2**31 - 1  # the most that a C long holds on every platform


class _Record(NamedTuple):
    line: int
    fields: list[str]


def read_csv(file: Path) -> Document:
    """Return the prompts of a CSV file whose first row names the columns task, id and text.

    Raises:
        SuiteError: if it is not such a file; the message names file, line and id.
    """
    records = _csv_records(read_text(file), file)
    header = next(records)
    place = Place(file, header.line)
    if len(header.fields) == 1 and any(mark in header.fields[0] for mark in ";\t|"):
        raise SuiteError(f"{place}: the columns are not separated by commas; use commas.")
    check_names(header.fields, required=_COLUMNS, optional=(), kind="column", where=str(place))
    if len(header.fields) > len(_COLUMNS):
        raise SuiteError(f"{place}: a column comes twice; keep one each of {', '.join(_COLUMNS)}.")
    return _document(file, (_csv_row(header.fields, record, file) for record in records))


def _csv_row(header: list[str], record: _Record, file: Path) -> Row:
    place = Place(file, record.line)
    fields = dict(zip(header, record.fields, strict=False))
    if len(record.fields) != len(header):
        known = f" (prompt {fields['id']!r})" if fields.get("id") else ""
        raise SuiteError(
            f"{place}: the row{known} has {len(record.fields)} fields and the header "
            f"{len(header)}; put a text that holds commas in double quotes."
        )
    return checked_row(
        task=fields["task"], prompt_id=fields["id"], text=fields["text"], place=place
    )


def _csv_records(text: str, file: Path) -> Iterator[_Record]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            with _long_fields():
                fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SuiteError(
                f"{Place(file, line)}: the row that begins here is not CSV ({error}); "
                "close every quote, and double those inside a quoted text."
            ) from error
        if fields:
            yield _Record(line, fields)


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    # The limit belongs to the whole process, so it is lifted for one row at a time.
    before = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_jsonl(file: Path) -> Document:
    """Return the prompts of a file with one JSON object a line, with keys task, id and text.

    Raises:
        SuiteError: if it is not such a file; the message names file, line and id.
    """
    # Not splitlines: a JSON string may hold U+2028 and its like unescaped.
    lines = enumerate(read_text(file).split("\n"), start=1)
    return _document(
        file, (_json_row(line, Place(file, number)) for number, line in lines if line.strip())
    )


def _json_row(line: str, place: Place) -> Row:
    try:
        content = json.loads(line, object_pairs_hook=lambda pairs: _unique(pairs, place))
    except (ValueError, RecursionError) as error:
        why = "it cannot be decoded"
        if isinstance(error, json.JSONDecodeError):
            why = f"{error.msg} at column {error.colno}"
        raise SuiteError(f"{place}: this is not JSON ({why}); write one object a line.") from error
    if not isinstance(content, dict):
        raise SuiteError(f"{place}: this is not a JSON object; write task, id and text in braces.")
    known = content.get("id")
    where = f"{place}: prompt {known!r}" if known else str(place)
    check_names(content, required=_COLUMNS, optional=(), kind="key", where=where)
    for key in _COLUMNS:
        if not isinstance(content[key], str):
            value = json.dumps(content[key])[:40]
            raise SuiteError(
                f"{where}: {key} is {value} and not a string; write it in double quotes."
            )
    return checked_row(
        task=content["task"], prompt_id=content["id"], text=content["text"], place=place
    )


def _unique(pairs: list[tuple[str, object]], place: Place) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SuiteError(f"{place}: the key {twice!r} comes twice; delete one of them.")
    return content


def _document(file: Path, rows: Iterable[Row]) -> Document:
    by_task: dict[str, list[Row]] = {}
    for row in rows:
        by_task.setdefault(row.prompt.task, []).append(row)
    sections = tuple(
        Section(task, "", tuple(found), found[0].place) for task, found in by_task.items()
    )
    return Document(file, file.stem, UNVERSIONED, sections)
