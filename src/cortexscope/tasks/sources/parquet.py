"""Parquet: a row a prompt, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from cortexscope.errors import SuiteError
from cortexscope.tasks.sources._options import ReadOptions
from cortexscope.tasks.sources._source import Raw, Source

__all__ = ["rows"]

_ROWS = 1024  # at a time


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the rows of a Parquet file, numbered from 1.

    Raises:
        SuiteError: if it is none, or damaged.
    """
    del options
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with source.opened() as stream, pq.ParquetFile(stream) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield Raw(number, values)
    except (pa.ArrowException, ValueError) as error:
        why = str(error).splitlines()[0][:200].rstrip(".") if str(error) else "it is damaged"
        raise SuiteError(
            f"{source.shown} cannot be read as Parquet ({why}); write it again."
        ) from error
    if not number:
        raise SuiteError(f"{source.shown} has no rows; write at least one prompt into it.")
