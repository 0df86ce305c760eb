"""Read a suite from what a program holds: a frame, a `datasets.Dataset`, a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cortexscope.errors import UsageError
from cortexscope.tasks._gathering import Gathering
from cortexscope.tasks._rows import Table
from cortexscope.tasks._suite import Suite
from cortexscope.tasks.sources import Raw, ReadOptions

__all__ = ["read_rows"]

_NAME = "prompts"
_PIECE = 1024  # rows of a frame at a time


def read_rows(held: Any, options: ReadOptions) -> Suite:  # noqa: ANN401 - of libraries that may be absent
    """Return the suite of the rows of a frame, a data set or a list; rows count from 1.

    Raises:
        UsageError: if it is nothing that has rows.
        SuiteError: if rows give no prompt.
    """
    gathering = Gathering(options)
    gathering.add(Table(_NAME, _NAME, _numbered(_rows(held)), typed=True))
    return gathering.suite(_NAME)


def _numbered(rows: Iterable[Any]) -> Iterator[Raw]:
    for number, row in enumerate(rows, start=1):
        if isinstance(row, str):
            yield Raw(number, {"text": row})
        elif isinstance(row, Mapping):
            yield Raw(number, row)
        else:
            kind = type(row).__name__
            yield Raw(number, {}, f"the row is a {kind}; give a text, or a mapping of columns")


def _rows(held: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(held, Mapping | bytes) or not isinstance(held, Iterable):
        raise UsageError(
            f"A {type(held).__name__} is no suite; give a name, a path, a frame, a data set, or a "
            "list of texts or of mappings."
        )
    if hasattr(held, "iter_rows"):  # polars
        return iter(held.iter_rows(named=True))
    if hasattr(held, "iloc") and hasattr(held, "columns"):  # pandas
        return _of_pandas(held)
    return iter(held)


def _of_pandas(frame: Any) -> Iterator[Any]:  # noqa: ANN401
    names = [str(name) for name in frame.columns]
    for begin in range(0, len(frame), _PIECE):
        piece = frame.iloc[begin : begin + _PIECE].astype(object)
        for row in piece.where(piece.notna(), None).itertuples(index=False, name=None):
            yield dict(zip(names, row, strict=True))
