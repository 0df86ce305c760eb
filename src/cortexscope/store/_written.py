"""The tables of a run folder as files, whole or not at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cortexscope.files import whole_file
from cortexscope.records import ModelInfo
from cortexscope.store._hashes import write_hashes
from cortexscope.store._layout import Layout
from cortexscope.store._precision import kept
from cortexscope.store._schema import ENCODED, MODELS, WRITTEN

__all__ = ["ROW_GROUP", "model_table", "write_measurements", "write_parquet"]

ROW_GROUP = 1 << 16
"""Rows of measurements that are read together."""


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all."""
    with whole_file(path, deep=False) as part:
        pq.write_table(table, part, **WRITTEN)


def write_measurements(
    layout: Layout, model: str, path: Path, table: pa.Table, beside: Collection[Path] = ()
) -> None:
    """Write measurements sorted by metric, whole or not at all, and before them their hashes.

    Row groups hold few metrics then, and who reads one metric reads little else. Rows of a metric
    keep their order.

    Args:
        layout: of the run.
        model: its label.
        path: where they belong.
        table: of them.
        beside: files of the same shard, which are there.
    """
    order = pc.sort_indices(table["metric"])
    with whole_file(path, deep=False) as part:
        pq.write_table(
            kept(table.take(order), layout.dtype(model)), part, row_group_size=ROW_GROUP, **ENCODED
        )
        write_hashes(layout, path, {path: part, **{file: file for file in beside}})


def model_table(models: Sequence[ModelInfo]) -> pa.Table:
    records = [info.model_dump() for info in models]
    return pa.Table.from_pylist(
        [{name: record[name] for name in MODELS.names} for record in records], schema=MODELS
    )
