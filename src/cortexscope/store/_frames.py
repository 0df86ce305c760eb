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

    every: dict[str, list[pa.Array]] = {name: [] for name in schema.names}
    for table in tables:
        for name, parts in every.items():
            parts += [_small(chunk) for chunk in table[name].chunks]
        del table
    columns: dict[str, pd.Series[Any]] = {}
    for name in schema.names:
        # What a column was made of is given back before the next is made.
        parts = every.pop(name)
        if not parts:
            return to_frame(schema.empty_table())
        columns[name] = _column(name, parts, schema.field(name).type)
        del parts
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)


def _small(part: pa.Array) -> pa.Array:
    """Return a part of a column in as little memory as it needs while others are read."""
    if part.null_count == len(part):
        return pa.nulls(len(part))
    if pa.types.is_dictionary(part.type) and len(part.dictionary) < 2**15:
        kind = pa.int8() if len(part.dictionary) < 2**7 else pa.int16()
        return pa.DictionaryArray.from_arrays(part.indices.cast(kind), part.dictionary)
    return part


def _column(name: str, parts: list[pa.Array], kind: pa.DataType) -> pd.Series[Any]:
    """Return a column whose rows with the same text share it."""
    import numpy as np
    import pandas as pd

    if kind != pa.string():
        every = [part.cast(kind) if pa.types.is_null(part.type) else part for part in parts]
        return to_frame(pa.table({name: pa.chunked_array(every, kind)}))[name]
    texts = np.empty(sum(map(len, parts)), dtype=object)
    start = 0
    for part in parts:
        rows = texts[start : start + len(part)]
        start += len(part)
        if pa.types.is_null(part.type):
            rows[:] = np.nan
            continue
        words = np.array([*part.dictionary.to_pylist(), np.nan], dtype=object)
        words.take(part.indices.fill_null(-1).to_numpy(), out=rows, mode="wrap")
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
