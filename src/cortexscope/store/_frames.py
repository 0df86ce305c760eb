"""Arrow tables as frames of pandas and polars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["joined", "to_frame", "to_polars"]


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a pandas frame, numbers and truth with nulls as pandas' own."""
    import pandas as pd

    kinds = {
        pa.string(): _texts(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    return frame


def joined(tables: Iterable[pa.Table], schema: pa.Schema) -> pd.DataFrame:
    """Return tables one after the other as a frame, in half of the memory that `to_frame` takes.

    Args:
        tables: with a dictionary for the texts of a column.
        schema: of the same columns, for where there are no tables.
    """
    import pandas as pd

    every = list(tables)
    if not every:
        return to_frame(schema.empty_table())
    whole = pa.concat_tables(every)
    every.clear()
    columns: dict[str, pd.Series[Any]] = {}
    for name in schema.names:
        column = whole[name]
        # What a column was made of is given back before the next is made.
        whole = whole.drop_columns([name])
        columns[name] = _column(name, column)
        del column
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)


def _column(name: str, column: pa.ChunkedArray) -> pd.Series[Any]:
    """Return a column whose rows with the same text share it."""
    import numpy as np
    import pandas as pd

    if not pa.types.is_dictionary(column.type):
        return to_frame(pa.table({name: column}))[name]
    texts = np.empty(len(column), dtype=object)
    start = 0
    for chunk in column.chunks:
        words = np.array([*chunk.dictionary.to_pylist(), np.nan], dtype=object)
        words.take(
            chunk.indices.fill_null(-1).to_numpy(),
            out=texts[start : start + len(chunk)],
            mode="wrap",
        )
        start += len(chunk)
    return pd.Series(texts, dtype=_texts(), copy=False)


def _texts() -> pd.StringDtype[Any]:
    """Return the type of all texts: one that can share them, so that frames compare."""
    import numpy as np
    import pandas as pd

    return pd.StringDtype("python", na_value=np.nan)


def to_polars(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame.

    Raises:
        UsageError: if polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise UsageError(
            "polars is not installed; install cortexscope[polars], or take a pandas frame."
        ) from error
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
