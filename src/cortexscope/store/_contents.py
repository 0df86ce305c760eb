"""Whether a file of a run holds what its name says: its columns, its model's rows, each once."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cortexscope.store._schema import MEASUREMENTS, SINCE

__all__ = ["FileFault", "check_prompts", "check_rows", "prompts_in", "read_columns"]

_KEYS = ("metric", "stack", "layer", "head", "index", "step")
"""What a file holds no two rows of for one prompt, or one task; the model is the file's."""


class FileFault(Exception):
    """What is wrong with a file, to follow its name: `is damaged`."""


def read_columns(
    file: Path, schema: pa.Schema, *, filters: list[tuple[str, str, list[str]]] | None = None
) -> pa.Table:
    """Return a file's columns; those that its schema did not have yet are null.

    Args:
        file: of a run.
        schema: of its kind.
        filters: as pyarrow takes them.

    Raises:
        FileFault: if it is missing, damaged, or has other columns.
    """
    try:
        # Opened by its name and not as a data set, which finds columns in names of folders too.
        with pq.ParquetFile(file) as opened:
            _check_columns(opened.schema_arrow, schema)
        return pq.read_table(file, schema=schema, filters=filters, partitioning=None)
    except FileNotFoundError as error:
        raise FileFault("is missing") from error
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise FileFault("is damaged") from error


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


def prompts_in(file: Path, model: str) -> frozenset[str]:
    """Return the ids of the prompts that a shard holds values of.

    Raises:
        FileFault: if it cannot be read, holds nothing, or rows that are of no prompt or of another
            model.
    """
    names = ["model", "prompt_id"]
    try:
        # Of dictionaries only the words are looked at, which takes a tenth of the time.
        with pq.ParquetFile(file, read_dictionary=names) as opened:
            _check_columns(opened.schema_arrow.remove_metadata(), MEASUREMENTS)
            table = opened.read(names)
    except (OSError, pa.ArrowException) as error:
        raise FileFault("is damaged") from error
    models, prompts = (pc.unique(table[name]).to_pylist() for name in names)
    if not models:
        raise FileFault("holds no rows")
    if models != [model]:
        raise FileFault(f"holds rows of {next(name for name in models if name != model)!r}")
    if None in prompts:
        raise FileFault("holds rows of no prompt")
    return frozenset(prompts)


def check_rows(table: pa.Table, model: str, *, of_prompts: bool) -> None:
    """Check that rows of a file are of a model, and no two of them the same measurement.

    Args:
        table: all of them, or those of some metrics.
        model: the label.
        of_prompts: whether each must be of a prompt, or none.

    Raises:
        FileFault: if they are not.
    """
    import numpy as np

    for other in pc.unique(table["model"]).to_pylist():
        if other != model:
            raise FileFault(f"holds rows of {other!r}")
    if table["prompt_id"].null_count != (0 if of_prompts else len(table)):
        raise FileFault("holds rows of no prompt" if of_prompts else "holds rows of single prompts")
    codes = np.zeros(len(table), np.int64)
    size = 1
    for name in ("prompt_id" if of_prompts else "task", *_KEYS):
        column = table[name]
        if pa.types.is_string(column.type):
            column = column.combine_chunks().dictionary_encode().indices
        numbers = np.asarray(pc.fill_null(pc.cast(column, pa.int64()), -1))
        low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
        span = high - low + 1
        if size > 2**62 // span:
            _, codes = np.unique(codes, return_inverse=True)
            size = len(codes)
        codes = codes * span + (numbers - low)
        size *= span
    codes.sort()
    twice = int((codes[1:] == codes[:-1]).sum())
    if twice:
        raise FileFault(f"holds {twice:,} of its {len(codes):,} rows twice")


def check_prompts(
    found: Collection[str | None], planned: Collection[str], *, all_of_them: bool = True
) -> None:
    """Check that what a file holds is of the prompts that it is planned to hold, each once.

    Args:
        found: their ids.
        planned: the ids of those that should be there.
        all_of_them: whether each of these must be there.

    Raises:
        FileFault: if it is not.
    """
    extra = set(found) - set(planned)
    if extra:
        raise FileFault(f"holds the prompt {min(map(str, extra))!r} of another file")
    lost = set(planned) - set(found)
    if lost and all_of_them:
        raise FileFault(f"lacks the prompt {min(lost)!r}")
    if len(found) != len(set(found)):
        raise FileFault("holds prompts twice")
