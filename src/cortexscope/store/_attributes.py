"""Columns of the user's own: a struct in `prompts.parquet`, a column each in frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.errors import UsageError
from cortexscope.records import Attribute, Prompt, Turn
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._schema import ATTRIBUTE_TYPES, ATTRIBUTES, PROMPTS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PREFIX",
    "attribute_columns",
    "joined_attributes",
    "prompt_records",
    "prompt_table",
    "read_prompts",
]

PREFIX = f"{ATTRIBUTES}."
"""What stands before the user's name of a column in frames, so that none is taken for ours."""

_TYPES: Mapping[type, pa.DataType] = {
    bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()
}  # fmt: skip


def prompt_table(prompts: Sequence[Prompt]) -> pa.Table:
    """Return prompts as `prompts.parquet` has them.

    Raises:
        UsageError: if a column of the user's has values of two types, or one that is none.
    """
    table = pa.Table.from_pylist(
        [
            {
                "prompt_id": p.id, "task": p.task, "text": p.text, "source": p.source,
                "target": p.target, "control": p.control, "origin": p.origin,
                "turns": [turn._asdict() for turn in p.turns] or None,
            }
            for p in prompts
        ],
        schema=PROMPTS,
    )  # fmt: skip
    names = list(dict.fromkeys(name for prompt in prompts for name in prompt.attributes))
    if not names:
        return table
    fields = [_field(name, [prompt.attributes.get(name) for prompt in prompts]) for name in names]
    return table.append_column(ATTRIBUTES, pa.StructArray.from_arrays(fields, names=names))


def _field(name: str, values: Sequence[Attribute]) -> pa.Array:
    """Return a column with its type; that of a column without values is string."""
    found = {type(value) for value in values if value is not None}
    if found == {int, float}:
        found = {float}
    if len(found) > 1 or not found <= _TYPES.keys():
        kinds = " and ".join(sorted(kind.__name__ for kind in found))
        raise UsageError(
            f"The column {name!r} of the prompts has values of {kinds}; give it texts alone, "
            "numbers alone, or true and false."
        )
    kind = _TYPES[found.pop()] if found else pa.string()
    try:
        return pa.array(values, kind)
    except (OverflowError, pa.ArrowInvalid, UnicodeError) as error:
        raise UsageError(
            f"The column {name!r} of the prompts has a value that cannot be kept ({error}); give "
            "whole numbers of at most 64 bits, other numbers as decimals, and texts in Unicode."
        ) from error


def prompt_records(table: pa.Table) -> list[Prompt]:
    """Return prompts of what `read_prompts` gives, as they were asked for."""
    named = {name: name.removeprefix(PREFIX) for name in table.column_names}
    own = [name for name in named if name.startswith(PREFIX)]
    return [
        Prompt(
            id=row["prompt_id"],
            **{
                name: row[name]
                for name in ("task", "text", "source", "target", "control", "origin")
            },
            attributes={named[name]: row[name] for name in own},
            turns=tuple(Turn(turn["role"], turn["content"]) for turn in row["turns"] or ()),
        )
        for row in table.to_pylist()
    ]


def read_prompts(file: Path) -> pa.Table:
    """Return `prompts.parquet` in the columns of `PROMPTS`, and each of the user's with `PREFIX`.

    Raises:
        FileFault: if it is missing, damaged, or has other columns.
    """
    table = read_columns(file, PROMPTS, also=(ATTRIBUTES,))
    if ATTRIBUTES not in table.column_names:
        return table
    column = table[ATTRIBUTES].combine_chunks()
    table = table.drop_columns([ATTRIBUTES])
    kinds = [field.type for field in column.type] if pa.types.is_struct(column.type) else [None]
    if not all(kind in ATTRIBUTE_TYPES for kind in kinds):
        wanted = ", ".join(map(str, ATTRIBUTE_TYPES))
        raise FileFault(f"has {ATTRIBUTES!r} as {column.type}, which is a struct of {wanted}")
    for place, field in enumerate(column.type):
        table = table.append_column(PREFIX + field.name, pc.struct_field(column, [place]))
    return table


def attribute_columns(prompts: pd.DataFrame) -> tuple[str, ...]:
    """Return those of a frame's columns that are the user's own."""
    return tuple(name for name in map(str, prompts.columns) if name.startswith(PREFIX))


def joined_attributes(prompts: pd.DataFrame, every: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return prompts with the columns of the user's that any of several runs has.

    Where runs say different things of a prompt, the first that says any counts.

    Args:
        prompts: of all runs, each once.
        every: those of each run.
    """
    import pandas as pd

    names = dict.fromkeys(name for own in every for name in attribute_columns(own))
    columns: dict[str, pd.Series[Any]] = {}
    for name in names:
        known = pd.concat(
            [own.set_index("prompt_id")[name].dropna() for own in every if name in own]
        )
        known = known[~known.index.duplicated()]
        columns[name] = known.reindex(prompts["prompt_id"]).set_axis(prompts.index)
    return prompts.assign(**columns)


def with_attributes(frame: pd.DataFrame, prompts: pd.DataFrame) -> pd.DataFrame:
    """Return rows with what the user's own columns say of their prompts.

    A row that is of no single prompt has nulls there.

    Args:
        frame: with a column `prompt_id`, such as measurements.
        prompts: as `Run.prompts` gives them.
    """
    import pandas as pd

    names = attribute_columns(prompts)
    if not names:
        return frame
    places = pd.Index(prompts["prompt_id"]).get_indexer(pd.Index(frame["prompt_id"]))
    columns = {
        name: pd.Series(
            pd.api.extensions.take(prompts[name].array, places, allow_fill=True), index=frame.index
        )
        for name in names
    }
    return frame.assign(**columns)


def table_with_attributes(table: pa.Table, prompts: pd.DataFrame) -> pa.Table:
    """Return the same of an Arrow table."""
    known = pa.array(prompts["prompt_id"], pa.string())
    for name in attribute_columns(prompts):
        places = pc.index_in(table["prompt_id"], value_set=known)
        table = table.append_column(name, pa.Array.from_pandas(prompts[name]).take(places))
    return table
