"""Write what was measured of generated tokens as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.files import whole_file
from cortexscope.store._precision import kept
from cortexscope.store._schema import ENCODED, MEASUREMENTS

__all__ = ["written_steps"]

_ROWS = 1 << 18
"""Rows that are written together."""


@contextmanager
def written_steps(path: Path, dtype: str) -> Iterator[Callable[[pa.Table], None]]:
    """Yield what takes measurements, table by table; their file is there if the block succeeds.

    Args:
        path: where they belong.
        dtype: of the weights of the model they are of.

    Raises:
        StoreError: if the file cannot be written; nothing is left behind.
    """
    waiting: list[pa.Table] = []

    def write() -> None:
        if waiting:
            file.write_table(kept(pa.concat_tables(waiting), dtype))
            waiting.clear()

    def take(table: pa.Table) -> None:
        waiting.append(table)
        if sum(map(len, waiting)) >= _ROWS:
            write()

    with (
        whole_file(path, deep=False) as part,
        pq.ParquetWriter(part, MEASUREMENTS, **ENCODED) as file,
    ):
        yield take
        write()
