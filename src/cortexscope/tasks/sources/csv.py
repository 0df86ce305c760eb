"""CSV and its like: a row of names, and a row a prompt; delimiter and quoting are found out."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from cortexscope.errors import SuiteError
from cortexscope.tasks.sources._options import QUOTING, ReadOptions
from cortexscope.tasks.sources._source import LONGEST, Raw, Source

__all__ = ["rows"]

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 2**16
"""Characters of the lines by which delimiter and quoting are judged."""


class _Way(NamedTuple):
    delimiter: str
    quoting: str

    def reader(self, lines: Iterable[str]) -> Any:  # noqa: ANN401 - the type is private to csv
        plain = self.quoting == "none"
        slashed = self.quoting == "backslash"
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
            doublequote=not slashed,
            escapechar="\\" if slashed else None,
            strict=True,
        )


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the rows of a CSV file by the names in its first row, or by numbers from 1.

    Raises:
        SuiteError: if the header is wrong, a quote is never closed, or it is not certain what
            parts the fields.
    """
    way = _way(source, options)
    records = _records(source.lines(), way, source)
    line, header = next(records)
    if not options.header:
        records = itertools.chain([(line, header)], records)
        header = [str(number) for number in range(1, len(header) + 1)]
    else:
        header = [name.strip() for name in header]
        for name, times in Counter(header).items():
            if name and times > 1:
                raise SuiteError(
                    f"{source.place(line)}: the column {name!r} comes twice; delete or rename one."
                )
    for line, fields in records:
        values = {name: field for name, field in zip(header, fields, strict=False) if name}
        if len(fields) == len(header):
            yield Raw(line, values)
        else:
            known = f" (prompt {values['id']!r})" if values.get("id") else ""
            yield Raw(
                line,
                {},
                f"the row{known} has {len(fields)} fields and the header {len(header)}; put a "
                f"text that holds {_DELIMITERS.get(way.delimiter, 'the delimiter')} in double "
                "quotes",
            )


def _records(lines: Iterable[str], way: _Way, source: Source) -> Iterator[tuple[int, list[str]]]:
    reader = way.reader(lines)
    while True:
        line = reader.line_num + 1
        try:
            with _long_fields():
                fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SuiteError(
                f"{source.place(line)}: the row that begins here is not CSV ({error}); close "
                "every quote, and double those inside a quoted text, or say how they are written "
                f"with --quoting {', '.join(QUOTING[:-1])} or {QUOTING[-1]}."
            ) from error
        if fields:
            yield line, fields


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    # The limit belongs to the whole process, so it is lifted for one row at a time.
    before = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _way(source: Source, options: ReadOptions) -> _Way:
    """Return how the file is written: as was said, else the only way that its first rows fit."""
    sample = _sample(source)
    tabs = source.path.suffixes[:1] in ([".tsv"], [".tab"]) or options.format == "tsv"
    quotings = [options.quoting or "double"]
    # An open quote is an error in a CSV file, while texts between tabs may hold any marks.
    if options.quoting is None:
        quotings += ["backslash"] if '\\"' in "".join(sample) else []
        quotings += ["none"] if tabs else []
    if options.mark is not None:
        delimiters = [options.mark]
    else:
        delimiters = ["\t"] if tabs else list(_DELIMITERS)
    for quoting in quotings:
        fitting = {
            mark: width for mark in delimiters if (width := _width(sample, _Way(mark, quoting)))
        }
        wide = [mark for mark, width in fitting.items() if width > 1]
        if len(wide) > 1:
            seen = " and ".join(_DELIMITERS[mark] for mark in wide)
            raise SuiteError(
                f"{source.shown}: its rows have equally many fields whether parted by {seen}; say "
                "which with --delimiter."
            )
        # A single column is one only where nothing in the header could part it.
        if wide or (fitting and not any(mark in sample[0] for mark in delimiters)):
            return _Way((wide or list(fitting))[0], quoting)
    # Nothing fits: the rows are named as they come, by what parts the header into most fields.
    quoting = quotings[0]
    header = sample[0]
    most = max(delimiters, key=lambda mark: header.count(mark))
    return _Way(most, quoting)


def _sample(source: Source) -> list[str]:
    lines: list[str] = []
    size = 0
    for line in source.lines():
        lines.append(line)
        size += len(line)
        if size > _SAMPLE:
            break
    while lines and lines[0].isspace():
        del lines[0]
    return lines


def _width(sample: list[str], way: _Way) -> int:
    """Return how many fields all rows of a sample have, 0 where they differ or are no rows."""
    cut = sum(map(len, sample)) > _SAMPLE
    widths: list[int] = []
    try:
        with _long_fields():
            for fields in way.reader(sample):
                widths += [len(fields)] if fields else []
    except csv.Error as error:
        if not (cut and "unexpected end of data" in str(error)):
            return 0
    if cut and len(widths) > 1:
        del widths[-1]  # which may be cut
    return widths[0] if widths and set(widths) == {widths[0]} else 0
