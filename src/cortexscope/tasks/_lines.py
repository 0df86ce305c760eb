"""Read a suite from a CSV or JSONL file: one prompt a row, `task`, `id`, `text`, maybe more."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cortexscope.errors import SuiteError
from cortexscope.registry import suggestion
from cortexscope.tasks._reading import (
    PARAPHRASE_OF,
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
_TARGET = "target"
_FIELD_LIMIT = 2**31 - 1  # the most that a C long holds on every platform


class _Record(NamedTuple):
    line: int
    fields: list[str]


def read_csv(file: Path, *, target: str | None = None) -> Document:
    """Return the prompts of a CSV file whose first row names the columns task, id and text.

    Args:
        file: the further columns `target` and `paraphrase_of` may be there.
        target: the column that is read in place of `target`; it must be there, and columns
            that nobody named may be there too.

    Raises:
        SuiteError: if it is not such a file; the message names file, line and id.
    """
    records = _csv_records(read_text(file), file)
    header = next(records)
    place = Place(file, header.line)
    if len(header.fields) == 1 and any(mark in header.fields[0] for mark in ";\t|"):
        raise SuiteError(f"{place}: the columns are not separated by commas; use commas.")
    _check_target(target, header.fields, "column", str(place))
    optional = (_TARGET, PARAPHRASE_OF) if target is None else header.fields
    check_names(
        header.fields, required=_COLUMNS, optional=optional, kind="column", where=str(place)
    )
    for name in header.fields:
        if header.fields.count(name) > 1:
            raise SuiteError(f"{place}: the column {name!r} comes twice; delete one of them.")
    return _document(
        file, (_csv_row(header.fields, record, file, target or _TARGET) for record in records)
    )


def _check_target(target: str | None, found: Collection[str], kind: str, where: str) -> None:
    if target is not None and target not in found:
        raise SuiteError(
            f"{where}: there is no {kind} {target!r} to read targets from; "
            f"{suggestion(target, found)}"
        )


def _csv_row(header: list[str], record: _Record, file: Path, target: str) -> Row:
    place = Place(file, record.line)
    fields = dict(zip(header, record.fields, strict=False))
    if len(record.fields) != len(header):
        known = f" (prompt {fields['id']!r})" if fields.get("id") else ""
        raise SuiteError(
            f"{place}: the row{known} has {len(record.fields)} fields and the header "
            f"{len(header)}; put a text that holds commas in double quotes."
        )
    return checked_row(
        task=fields["task"],
        prompt_id=fields["id"],
        text=fields["text"],
        target=fields.get(target),
        paraphrase_of=fields.get(PARAPHRASE_OF),
        place=place,
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


def read_jsonl(file: Path, *, target: str | None = None) -> Document:
    """Return the prompts of a file with one JSON object a line, with keys task, id and text.

    Args:
        file: the further keys `target` and `paraphrase_of` may be there, and hold null.
        target: the key that is read in place of `target`; one line at least must have it, and
            keys that nobody named may be there too.

    Raises:
        SuiteError: if it is not such a file; the message names file, line and id.
    """
    # Not splitlines: a JSON string may hold U+2028 and its like unescaped.
    lines = enumerate(read_text(file).split("\n"), start=1)
    rows = ((Place(file, number), line) for number, line in lines if line.strip())
    contents = [(place, _json_object(line, place)) for place, line in rows]
    keys = dict.fromkeys(key for _, content in contents for key in content)
    _check_target(target, keys, "key", str(file))
    return _document(file, (_json_row(content, place, target) for place, content in contents))


def _json_object(line: str, place: Place) -> dict[str, Any]:
    try:
        content = json.loads(line, object_pairs_hook=lambda pairs: _unique(pairs, place))
    except (ValueError, RecursionError) as error:
        why = "it cannot be decoded"
        if isinstance(error, json.JSONDecodeError):
            why = f"{error.msg} at column {error.colno}"
        raise SuiteError(f"{place}: this is not JSON ({why}); write one object a line.") from error
    if not isinstance(content, dict):
        raise SuiteError(f"{place}: this is not a JSON object; write task, id and text in braces.")
    return content


def _json_row(content: dict[str, Any], place: Place, named: str | None) -> Row:
    known = content.get("id")
    where = f"{place}: prompt {known!r}" if known else str(place)
    optional = (_TARGET, PARAPHRASE_OF) if named is None else content
    check_names(content, required=_COLUMNS, optional=optional, kind="key", where=where)
    target = named or _TARGET
    given = [key for key in (target, PARAPHRASE_OF) if content.get(key) is not None]
    for key in (*_COLUMNS, *given):
        if not isinstance(content[key], str):
            value = json.dumps(content[key])[:40]
            raise SuiteError(
                f"{where}: {key} is {value} and not a string; write it in double quotes."
            )
    return checked_row(
        task=content["task"],
        prompt_id=content["id"],
        text=content["text"],
        target=content.get(target),
        paraphrase_of=content.get(PARAPHRASE_OF),
        place=place,
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
