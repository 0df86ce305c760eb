"""Arrow tables as frames of pandas and polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["to_frame", "to_polars"]


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a pandas frame, whole numbers with nulls as pandas' own integers."""
    import pandas as pd

    nullable = {
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


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
