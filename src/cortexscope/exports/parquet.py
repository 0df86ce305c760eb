"""A folder of Parquet files, which pandas, polars, DuckDB, R and Spark read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cortexscope.exports._contents import Contents, Exported
from cortexscope.files import whole_folder

__all__ = ["write", "write_table"]


def write(contents: Contents, path: Path) -> Path:
    """Write a file a table, and README.md."""
    with whole_folder(path) as folder:
        for table in contents.tables:
            write_table(table, folder / f"{table.name}.parquet")
        (folder / "README.md").write_text(contents.readme(), encoding="utf-8")
    return path


def write_table(table: Exported, file: Path) -> None:
    """Write one table, batch by batch."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, table.schema, compression="zstd") as writer:
        batches: Iterator[object] = table.batches
        for batch in batches:
            writer.write_table(batch)
