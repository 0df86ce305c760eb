"""What the files of a folder here and of one behind a URL were when they were last the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from cortexscope.files import is_leftover, storage_errors, whole_file
from cortexscope.remote import Entry
from cortexscope.store._layout import (
    HEADS,
    LESIONED,
    OUTCOMES,
    PAIRED,
    RESULTS,
)

__all__ = ["Known", "Sent", "is_measured", "is_read", "is_written"]

_MEASURED = (*RESULTS, PAIRED, LESIONED, "hashes")
_MADE = ("tables", "figures", "workbooks")

FETCHING = -1
"""In the place of a local file's time: it is under way, and nothing is lost with it."""


class Known(NamedTuple):
    """A file that was the same in both."""

    there: Entry
    """As it was listed."""
    when: int
    """When it was written here, in nanoseconds, as the file system says."""


class Sent:
    """The record of a folder here, in a file beside it.

    Args:
        folder: the one here.
        kept: whether there is a record; all is new where not.
    """

    def __init__(self, folder: Path, *, kept: bool = True) -> None:
        self._folder = folder
        self._file = folder.with_name(f".{folder.name}.json") if kept else None

    def read(self) -> dict[str, Known]:
        """Return what is known, by name; nothing where the record is lost or damaged."""
        if self._file is None:
            return {}
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {
                str(name): Known(Entry(int(size), str(tag)), int(when))
                for name, (size, tag, when) in found.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def write(self, known: dict[str, Known]) -> None:
        """Keep what is known."""
        if self._file is not None:
            rows = {name: [*own.there, own.when] for name, own in sorted(known.items())}
            with whole_file(self._file) as part:
                part.write_text(json.dumps(rows), encoding="utf-8")

    def here(self) -> dict[str, Known]:
        """Return the files of a run that are here, without what is half written or set aside."""
        found: dict[str, Known] = {}
        with storage_errors(self._folder):
            for file in sorted(self._folder.rglob("*")):
                name = file.relative_to(self._folder).as_posix()
                if is_written(name) and file.is_file() and not is_leftover(file):
                    facts = file.stat()
                    found[name] = Known(Entry(facts.st_size, ""), facts.st_mtime_ns)
        return found

    def unsent(self) -> list[str]:
        """Return what was measured here and is not there."""
        known = self.read()
        return [
            name
            for name, own in self.here().items()
            if is_measured(name)
            and not (name in known and known[name].when in (own.when, FETCHING))
        ]


def is_measured(name: str) -> bool:
    """Return whether a file in a run folder cannot be made of the others."""
    return name in (*HEADS, OUTCOMES) or _is_in(name, _MEASURED)


def is_read(name: str) -> bool:
    """Return whether a file is looked at; tables, figures and the report are only written."""
    return is_measured(name) or _is_in(name, ("stats",))


def is_written(name: str) -> bool:
    """Return whether a file is a run's own; what was set aside as damaged is none."""
    is_report = name.startswith("report.") and "/" not in name
    return is_read(name) or is_report or _is_in(name, _MADE)


def _is_in(name: str, folders: tuple[str, ...]) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash) and first in folders
