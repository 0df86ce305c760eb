"""Whether a file of a run holds what its name says: its columns, its model's rows, each once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cortexscope.store._schema import MEASUREMENTS, SINCE

__all__ = [
    "Contents",
    "FileFault",
    "contents_of",
    "in_texts",
    "parts",
    "read_columns",
    "read_rows",
    "used",
]

TEXTS = tuple(field.name for field in MEASUREMENTS if field.type == pa.string())
ROWS = pa.schema(
    [
        field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in TEXTS else field
        for field in MEASUREMENTS
    ]
)
"""The columns of measurements with a number for each text, as they are computed with."""


class FileFault(Exception):
    """What is wrong with a file, to follow its name: `is damaged`."""


def read_columns(file: Path, schema: pa.Schema, *, also: Collection[str] = ()) -> pa.Table:
    """Return a file's columns; those that its schema did not have yet are null.

    Args:
        file: of a run.
        schema: of its kind.
        also: further columns, of any type, that follow where the file has them.

    Raises:
        FileFault: if it is missing, damaged, or has other columns.
    """
    with _opened(file, schema) as opened:
        further = [name for name in also if name in _names(opened)]
        found = opened.read([*(f.name for f in schema if f.name in _names(opened)), *further])
        found.validate(full=True)
        table = _completed(found, schema)
        for name in further:
            table = table.append_column(found.schema.field(name), found[name])
        return table


def read_rows(
    file: Path,
    *,
    metrics: Collection[str] | None = None,
    columns: Collection[str] | None = None,
) -> pa.Table:
    """Return a file's measurements, whose texts are dictionaries, each one over the whole file.

    Args:
        file: of measurements.
        metrics: only these, all where None. Of a file that is sorted by metric, no more is read.
        columns: only these, and the metric where metrics are named; all where None.

    Raises:
        FileFault: if it is missing, damaged, or has other columns.
    """
    with _opened(file, MEASUREMENTS, dictionaries=TEXTS) as opened:
        asked = None if columns is None else {*columns, *([] if metrics is None else ["metric"])}
        fields = [own for own in ROWS if asked is None or own.name in asked]
        names = [own.name for own in fields if own.name in _names(opened)]
        groups = list(range(opened.metadata.num_row_groups))
        if metrics is not None:
            groups = [number for number in groups if _may_hold(opened, number, metrics)]
        table = _unified(_completed(opened.read_row_groups(groups, names), pa.schema(fields)))
    if metrics is None:
        return table
    wanted = in_texts(table["metric"], metrics)
    count = wanted.true_count
    first = pc.index(wanted, True).as_py()
    # In a sorted file they stand together, and nothing need be copied.
    if count and wanted.slice(first, count).true_count == count:
        return table.slice(first, count)
    return table.filter(wanted).combine_chunks()


def in_texts(column: pa.ChunkedArray, texts: Collection[str]) -> pa.Array:
    """Return whether each of a column of `read_rows` is one of these texts."""
    codes, words = parts(column)
    known = [number for number, word in enumerate(words) if word in texts]
    return pc.is_in(codes, pa.array(known, codes.type))


def parts(column: pa.ChunkedArray) -> tuple[pa.Array, list[str]]:
    """Return a column of `read_rows` as numbers, null where it is, and the texts they stand for."""
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return whole.indices, whole.dictionary.to_pylist()


@contextmanager
def _opened(
    file: Path, schema: pa.Schema, *, dictionaries: Collection[str] = ()
) -> Iterator[pq.ParquetFile]:
    try:
        # Opened by its name and not as a data set, which finds columns in names of folders too.
        with pq.ParquetFile(
            file, read_dictionary=list(dictionaries), page_checksum_verification=True
        ) as opened:
            _check_columns(opened.schema_arrow, schema)
            yield opened
    except FileNotFoundError as error:
        raise FileFault("is missing") from error
    except (OSError, pa.ArrowException, UnicodeError, KeyError) as error:
        # A column whose name has changed by a bit is a KeyError.
        raise FileFault("is damaged") from error


def _unified(table: pa.Table) -> pa.Table:
    """Return a table in one piece with a dictionary a column."""
    # In a damaged file a number may stand for no text, or a text be none; no reader looks.
    table.validate(full=True)
    return table.unify_dictionaries().combine_chunks()


def _names(opened: pq.ParquetFile) -> list[str]:
    names: list[str] = opened.schema_arrow.names
    return names


def _completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table in the columns of a schema; those that it lacks are null."""
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=pa.schema([f.with_nullable(True) for f in schema])).cast(schema)


def _may_hold(opened: pq.ParquetFile, number: int, metrics: Collection[str]) -> bool:
    group = opened.metadata.row_group(number)
    column = group.column(_names(opened).index("metric"))
    facts = column.statistics
    if facts is None or not facts.has_min_max:
        return True
    return any(facts.min <= metric <= facts.max for metric in metrics)


def _check_columns(found: pa.Schema, schema: pa.Schema) -> None:
    for field in schema:
        if field.name not in found.names:
            if field.name not in SINCE:
                raise FileFault(f"has no column {field.name!r}")
            continue
        own = found.field(field.name).type
        if pa.types.is_dictionary(own):
            own = own.value_type
        if own != field.type:
            raise FileFault(f"has {field.name!r} as {own}, which is {field.type}")


class Contents(NamedTuple):
    """What a file of measurements is of."""

    prompts: frozenset[str]
    """Their ids; none in a file of values that are not of prompts."""
    metrics: Mapping[str, frozenset[str]]
    """By stack."""
    lengths: Mapping[str, Mapping[str, int | None]]
    """How many tokens the stack was given of each prompt, by stack and id."""
    tasks: Mapping[str, str | None]
    """By prompt."""
    last: Mapping[str, int]
    """The highest layer of each stack that has layers."""


def contents_of(file: Path, model: str, *, of_prompts: bool = True) -> Contents:
    """Return what a file of measurements is of.

    Args:
        file: of one model.
        model: its label.
        of_prompts: whether its values must be of prompts, or must not.

    Raises:
        FileFault: if it cannot be read, or holds rows of no prompt or of another model, or none
            where there must be some.
    """
    import numpy as np

    names = ["model", "task", "prompt_id", "metric", "stack"]
    # Of dictionaries only the words are looked at, which takes a tenth of the time.
    with _opened(file, MEASUREMENTS, dictionaries=names) as opened:
        table = _unified(opened.read([*names, "n_tokens", "layer"]))
    if not len(table):
        if of_prompts:
            raise FileFault("holds no rows")
        return Contents(frozenset(), {}, {}, {}, {})
    columns = {name: parts(table[name]) for name in names}
    for other in used(columns["model"]):
        if other != model:
            raise FileFault(f"holds rows of {other!r}")
    if table["prompt_id"].null_count != (0 if of_prompts else len(table)):
        raise FileFault("holds rows of no prompt" if of_prompts else "holds rows of single prompts")
    stack, stacks = columns["stack"]
    metrics = {
        stacks[number]: frozenset(of_texts)
        for number, of_texts in _pairs(stack, *columns["metric"]).items()
    }
    if not of_prompts:
        return Contents(frozenset(), metrics, {}, {}, {})
    prompt, prompts = columns["prompt_id"]
    place = np.asarray(prompt).astype(np.int64) * len(stacks) + np.asarray(stack)
    # Rows of one prompt and stack have one length, so that any of them will do.
    first = np.full(len(prompts) * len(stacks), -1, np.int64)
    first[place[::-1]] = np.arange(len(place))[::-1]
    lengths: dict[str, dict[str, int | None]] = {name: {} for name in stacks}
    tasks: dict[str, str | None] = {}
    known = first[first >= 0]
    facts = table.select(["task", "n_tokens"]).take(pa.array(known))
    where = np.flatnonzero(first >= 0).tolist()
    for number, task, length in zip(
        where, facts["task"].to_pylist(), facts["n_tokens"].to_pylist(), strict=True
    ):
        name = prompts[number // len(stacks)]
        lengths[stacks[number % len(stacks)]][name] = length
        tasks[name] = task
    layers = table["layer"].fill_null(-1).to_numpy()
    highest = {
        name: int(layers[np.asarray(stack) == n].max(initial=-1)) for n, name in enumerate(stacks)
    }
    last = {name: layer for name, layer in highest.items() if layer >= 0}
    return Contents(frozenset(tasks), metrics, lengths, tasks, last)


def used(column: tuple[pa.Array, list[str]]) -> list[str]:
    """Return the texts of `parts` that are there."""
    codes, words = column
    return [words[number] for number in pc.unique(codes).to_pylist()]


def _pairs(first: pa.Array, second: pa.Array, words: list[str]) -> dict[int, set[str]]:
    import numpy as np

    size = len(words)
    codes = np.asarray(first).astype(np.int64) * size + np.asarray(second)
    found: dict[int, set[str]] = {}
    for code in np.flatnonzero(np.bincount(codes)).tolist():
        found.setdefault(code // size, set()).add(words[code % size])
    return found
