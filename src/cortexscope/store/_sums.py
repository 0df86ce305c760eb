"""Sums over the rows of measurements, exact and the same to the last bit whenever they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.store._contents import parts
from cortexscope.store._frames import to_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["NOT_FINITE", "added", "decoded", "finite", "reduced", "regrouped", "summed"]

NOT_FINITE = "not a finite number"
"""The reason of a value that was written as infinite or as no number."""

_SUMS = (("value", "sum"), ("value", "count"))


def finite(table: pa.Table) -> pa.Table:
    """Return a table whose values that are no numbers are undefined, with that as their reason."""
    wrong = pc.fill_null(pc.invert(pc.is_finite(table["value"])), False)
    if not pc.any(wrong).as_py():
        return table
    value = pc.if_else(wrong, pa.scalar(None, pa.float64()), table["value"])
    reason = pc.if_else(wrong, NOT_FINITE, table["reason"].cast(pa.string()))
    for name, column in (("value", value), ("reason", reason.dictionary_encode())):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table.unify_dictionaries().combine_chunks()


def regrouped(table: pa.Table, groups: Mapping[str, str]) -> pa.Table:
    """Return the rows of prompts that have a group, with that in the place of their task.

    Args:
        table: whose texts are dictionaries, each one over the whole table.
        groups: by the ids of prompts.
    """
    codes, words = parts(table["prompt_id"])
    names = list(dict.fromkeys(groups.values()))
    places = {name: place for place, name in enumerate(names)}
    own = [places[groups[word]] if word in groups else None for word in words]
    group = pa.array(own, pa.int32()).take(codes)
    column = pa.DictionaryArray.from_arrays(group, pa.array(names, pa.string()))
    made = table.set_column(table.schema.get_field_index("task"), "task", column)
    return made.filter(group.is_valid())


def reduced(
    table: pa.Table, keys: list[str], aggregates: Sequence[tuple[object, str]] = _SUMS
) -> pd.DataFrame:
    """Return sums over the rows of a file with the same keys, texts as texts."""
    columns, words = {}, {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            # Numbers are grouped four times as fast as texts.
            column, words[name] = parts(column)
        columns[name] = column
    # One thread keeps the order of rows and of additions, so that what is read is repeatable.
    found = pa.table(columns).group_by(keys, use_threads=False).aggregate(list(aggregates))
    frame = to_frame(found.sort_by([(name, "ascending") for name in keys]))
    for name in keys:
        if name in words:
            frame[name] = _texts(frame[name].to_numpy(dtype="float64", na_value=-1), words[name])
    return frame


def _texts(codes: np.ndarray, words: list[str]) -> np.ndarray:
    import numpy as np

    return np.array([*words, None], dtype=object).take(codes.astype("int64"))


def decoded(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame, texts as texts."""
    import pandas as pd

    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            codes, words = parts(column)
            columns[name] = _texts(codes.fill_null(-1).to_numpy(), words)
        else:
            columns[name] = column.to_numpy()
    return pd.DataFrame(columns)


def summed(
    frames: Iterator[pd.DataFrame], keys: list[str], *, apart: bool = False, counted: bool = False
) -> pd.DataFrame:
    """Return the means of what files give.

    Args:
        frames: a frame a file, as `reduced` gives it.
        keys: what a mean is of.
        apart: no two files share keys.
        counted: with a column n, of how many values.
    """
    import pandas as pd

    found = [frame for frame in frames if len(frame)]
    if not found:
        columns = {name: pd.Series(dtype=object) for name in keys}
        none = pd.Series(dtype="int64")
        columns = {**columns, "n": none} if counted else columns
        return pd.DataFrame({**columns, "value": pd.Series(dtype="float64")})
    names = ["value_sum", "value_count"]
    every = pd.concat(found, ignore_index=True)
    if not apart:
        grouped = every.groupby(keys, sort=False, dropna=False, as_index=False)
        every = grouped[names].sum()
    count = every["value_count"].where(every["value_count"] > 0)
    value = every["value_sum"].where(every["value_count"] > 0) / count
    means = every.drop(columns=names)
    if counted:
        means["n"] = every["value_count"].astype("int64")
    return means.assign(value=value.astype("float64"))


def added(frames: Sequence[pd.DataFrame], keys: list[str], name: str) -> pd.DataFrame:
    """Return the sums of a column of what files give."""
    import pandas as pd

    every = pd.concat(frames, ignore_index=True)
    return every.groupby(keys, sort=False, dropna=False, as_index=False)[[name]].sum()
