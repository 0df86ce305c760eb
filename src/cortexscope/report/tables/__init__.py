"""The study's tables in its own layout, with the fair metrics beside them: one file a table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cortexscope.document import Table
from cortexscope.errors import UnknownNameError
from cortexscope.registry import Registry
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels

__all__ = ["TABLES", "key_of", "number_of", "tables_of"]

TABLES = Registry(
    "table",
    {
        key: f"cortexscope.report.tables.{key}:build"
        for key in (
            *("complete", "models", "categories", "architectures", "scale", "top"),
            *("metrics", "task_effects"),
        )
    },
)
"""Key of a table -> what makes it of a run's frames and labels, in the order of their numbers.

Other packages add some in the group `cortexscope.tables`.
"""


def number_of(key: str) -> int:
    """Return the number of a table, from 1: its place among all."""
    return TABLES.names().index(key) + 1


def key_of(name: int | str) -> str:
    """Return the key of a table that is named by key or by number.

    Raises:
        UnknownNameError: if there is no such table.
    """
    keys = TABLES.names()
    if str(name).isdecimal():
        if not 1 <= int(name) <= len(keys):
            raise UnknownNameError(f"There is no table {name}; choose one from 1 to {len(keys)}.")
        return keys[int(name) - 1]
    TABLES.check(str(name))
    return str(name)


def tables_of(
    frames: RunFrames, labels: Labels, only: Collection[int | str] | None = None
) -> tuple[Table, ...]:
    """Return the tables of a run with these keys or numbers, all where None; no other is made.

    Raises:
        UnknownNameError: if there is no such table.
    """
    keys = None if only is None else {key_of(name) for name in only}
    return tuple(
        replace(TABLES.load(key)(frames, labels), number=number)
        for number, key in enumerate(TABLES.names(), 1)
        if keys is None or key in keys
    )
