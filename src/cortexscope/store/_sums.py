"""Sums over the rows of measurements, exact and the same to the last bit whenever they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope import native
from cortexscope.store._contents import parts
from cortexscope.store._frames import to_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "NOT_FINITE",
    "added",
    "counted",
    "counted_with_prompts",
    "decoded",
    "finite",
    "layered",
    "reduced",
    "regrouped",
    "summed",
]

NOT_FINITE = "not a finite number"
"""The reason of a value that was written as infinite or as no number."""


def finite(table: pa.Table) -> pa.Table:
    """Return a table whose values that are no numbers are undefined, with that as their reason."""
    wrong = pc.fill_null(pc.invert(pc.is_finite(table["value"])), False)
    if not pc.any(wrong).as_py():
        return table
    changed = {"value": pc.if_else(wrong, pa.scalar(None, pa.float64()), table["value"])}
    if "reason" in table.column_names:
        reason = pc.if_else(wrong, NOT_FINITE, table["reason"].cast(pa.string()))
        changed["reason"] = reason.dictionary_encode()
    for name, column in changed.items():
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


def reduced(table: pa.Table, keys: list[str], shown: Sequence[str] | None = None) -> pd.DataFrame:
    """Return sums over the rows of a file with the same keys, in the order of these.

    Args:
        table: as `read_rows` gives it, with values that are finite or null.
        keys: columns.
        shown: which columns are returned with the sums, keys or what these decide; all keys where
            None. To make texts of millions of rows takes longer than to add these.

    Returns:
        Those columns, value_sum, value_count (of defined values).
    """
    import numpy as np

    first, group = _groups(table, keys)
    value = table["value"]
    known = value.is_valid().to_numpy() if value.null_count else None
    values = value.fill_null(0.0).to_numpy()
    # Rows are added one after the other, so that what is read is repeatable.
    sums, counts = native.group_sums(group, len(first), values, known) or (
        np.bincount(group, weights=values, minlength=len(first)),
        np.bincount(group if known is None else group[known], minlength=len(first)),
    )
    named = _named(table, keys if shown is None else shown, first)
    return named.assign(value_sum=sums, value_count=counts)


def counted(table: pa.Table, keys: list[str]) -> pd.DataFrame:
    """Return how many rows of a file have the same keys: rows."""
    import numpy as np

    first, group = _groups(table, keys)
    rows = np.bincount(group, minlength=len(first))
    return _named(table, keys, first).assign(rows=rows)


def counted_with_prompts(table: pa.Table, keys: list[str]) -> pd.DataFrame:
    """Return the same, and how many prompts: rows, prompts."""
    import numpy as np

    first, group = _groups(table, keys)
    once, _ = _groups(table, [*keys, "prompt_id"])
    once = once[table["prompt_id"].is_valid().to_numpy()[once]]
    rows, prompts = (np.bincount(own, minlength=len(first)) for own in (group, group[once]))
    return _named(table, keys, first).assign(rows=rows, prompts=prompts)


def _groups(table: pa.Table, keys: list[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return a row of each group of rows with the same keys, and the group of each row.

    Groups are in the order of their keys, texts in that of their dictionary, nulls last.
    """
    import numpy as np

    codes, size = np.zeros(len(table), dtype=np.int64), 1
    for name in keys:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column, _ = parts(column)
        if len(column) == column.null_count:
            continue
        ends = pc.min_max(column)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        # One more for nulls.
        span = high - low + 1 + bool(column.null_count)
        if span == 1:
            continue
        if size > 2**62 // span:
            codes, size = _dense(codes, size)
        numbers = np.asarray(column.fill_null(high + 1) if column.null_count else column)
        codes *= span
        codes += numbers.astype(np.int64) - low
        size *= span
    if size <= 4 * len(codes) and (found := native.numbered_groups(codes, size)) is not None:
        return found
    codes, size = _dense(codes, size)
    first = np.empty(size, dtype=np.intp)
    # The last that is written is the first row.
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first, codes


def _dense(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.intp], int]:
    """Return each code's place among those that are there, and how many these are."""
    import numpy as np

    if size > 4 * len(codes):
        found, places = np.unique(codes, return_inverse=True)
        return places, len(found)
    there = np.bincount(codes, minlength=size) > 0
    return (np.cumsum(there) - 1)[codes], int(np.count_nonzero(there))


def _named(table: pa.Table, names: Sequence[str], rows: NDArray[np.intp]) -> pd.DataFrame:
    """Return columns of some rows as a frame, texts as texts."""
    import pandas as pd

    found = table.select(names).take(pa.array(rows))
    columns = {name: found[name] for name in names}
    texts = [name for name in names if pa.types.is_dictionary(columns[name].type)]
    frame = to_frame(pa.table({name: columns[name] for name in names if name not in texts}))
    made = {name: _texts(columns[name]) if name in texts else frame[name] for name in names}
    return pd.DataFrame(made, index=range(len(rows)))


def _texts(column: pa.ChunkedArray) -> pd.Series[Any]:
    """Return a column of `read_rows` as texts of pandas, which take a tenth of the time so."""
    import numpy as np
    import pandas as pd

    codes, words = parts(column)
    if len(codes) == codes.null_count:
        return pd.Series([None] * len(codes), dtype=object)
    every = pa.array(words, pa.large_string()).take(codes)
    kind: Any = pd.StringDtype(na_value=np.nan)
    return pd.Series(kind.__from_arrow__(every))


def decoded(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame, texts as texts."""
    import pandas as pd

    columns = {}
    for name in table.column_names:
        column = table[name]
        texts = pa.types.is_dictionary(column.type)
        columns[name] = _texts(column) if texts else column.to_numpy()
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


def added(frames: Sequence[pd.DataFrame], keys: list[str], names: list[str]) -> pd.DataFrame:
    """Return the sums of columns of what files give."""
    import pandas as pd

    every = pd.concat(frames, ignore_index=True)
    return every.groupby(keys, sort=False, dropna=False, as_index=False)[names].sum()


def layered(
    table: pa.Table,
    keys: list[str],
    last: Mapping[str, int] | None = None,
    shown: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the sums of rows that are of a layer.

    Args:
        table: of one model.
        keys: as for `reduced`.
        last: the last layer by model and stack, with a NUL between, of which the column depth is
            the layer's share; None for no such column.
        shown: as for `reduced`, and depth.
    """
    own = table.filter(table["layer"].is_valid())
    if last is not None:
        own = own.append_column("depth", _depths(own, last))
    found = reduced(own, keys, shown)
    return found.astype({"layer": "int64"} if "layer" in found else {})


def _depths(table: pa.Table, last: Mapping[str, int]) -> pa.ChunkedArray:
    """Return each row's layer as a share of the last one of its stack."""
    layers = table["layer"].cast(pa.float64())
    if not len(table):
        return layers
    model = table["model"][0].as_py()
    codes, stacks = parts(table["stack"])
    ends = pa.array([float(last.get(f"{model}\0{stack}") or 1) for stack in stacks])
    return pc.divide(layers, ends.take(codes))
