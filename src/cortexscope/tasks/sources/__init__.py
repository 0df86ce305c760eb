"""Formats of files of rows: one file each, with `rows(source, options)`, and a row here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cortexscope.errors import SuiteError, UsageError
from cortexscope.registry import suggestion
from cortexscope.tasks.sources._options import QUOTING, ReadOptions
from cortexscope.tasks.sources._source import LONGEST, Raw, Source, kept, pieces_of, piped

__all__ = [
    "ENDINGS",
    "FORMATS",
    "LONGEST",
    "QUOTING",
    "Raw",
    "ReadOptions",
    "Source",
    "format_of",
    "kept",
    "pieces_of",
    "piped",
    "rows_of",
    "stem_of",
]


class _Format(NamedTuple):
    module: str
    endings: tuple[str, ...]


FORMATS: dict[str, _Format] = {
    "csv": _Format("csv", (".csv",)),
    "tsv": _Format("csv", (".tsv", ".tab")),
    "jsonl": _Format("json", (".jsonl", ".ndjson")),
    "json": _Format("json", (".json",)),
    "parquet": _Format("parquet", (".parquet", ".pq")),
    "xlsx": _Format("xlsx", (".xlsx", ".xlsm")),
    "text": _Format("text", (".txt", ".text", ".md")),
    "eval": _Format("eval", (".eval",)),
}
"""The formats by name, with the endings that tell them; `.gz` may follow."""

ENDINGS = {ending: name for name, row in FORMATS.items() for ending in row.endings}
"""The format that an ending tells."""

_PACKED = ".gz"
_FIRST_BYTES = {b"PAR1": "parquet", b"PK\x03\x04": "xlsx", b"{": "json", b"[": "json"}


def stem_of(path: Path) -> str:
    """Return a file's name without the endings that tell its format."""
    stem = path.name
    if stem.lower().endswith(_PACKED):
        stem = stem[: -len(_PACKED)]
    ending = Path(stem).suffix
    return stem[: -len(ending)] if ending.lower() in ENDINGS else stem


def format_of(path: Path) -> str | None:
    """Return the format that a file's ending tells, None where it tells none."""
    name = path.name.lower().removesuffix(_PACKED)
    return ENDINGS.get(Path(name).suffix)


def rows_of(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the rows of a file in the format that was named, or that it has.

    Raises:
        UsageError: if there is no such format.
        SuiteError: if its format is not certain, or it is not of that format.
    """
    name = options.format or format_of(source.path) or _told_by(source)
    if name not in FORMATS:
        raise UsageError(f"There is no format {name!r} of files; {suggestion(name, FORMATS)}")
    module = importlib.import_module(f"{__name__}.{FORMATS[name].module}")
    rows: Iterator[Raw] = module.rows(source, options)
    return rows


def _told_by(source: Source) -> str:
    """Return the format that a file's first bytes tell."""
    head = source.head(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    for first, name in _FIRST_BYTES.items():
        if head.startswith(first):
            return name
    if not head:
        raise SuiteError(f"{source.shown} is empty; write at least one prompt into it.")
    line = head.partition(b"\n")[0].decode("utf-8", "replace")
    if line and not any(mark in line for mark in ",;\t|"):
        return "text"
    raise SuiteError(
        f"{source.shown} begins with {line[:60]!r}, which may be text or the columns of a table; "
        f"say which with --format: {', '.join(FORMATS)}."
    )
