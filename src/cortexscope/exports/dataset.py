"""A folder that `datasets.load_dataset(folder, "measurements")` reads, with a card."""

from __future__ import annotations

from pathlib import Path

from cortexscope.exports._contents import COLUMNS, Contents
from cortexscope.exports.parquet import write_table
from cortexscope.files import whole_folder

__all__ = ["write"]


def write(contents: Contents, path: Path) -> Path:
    """Write a Parquet file a table in `data`, and the card README.md."""
    with whole_folder(path) as folder:
        (folder / "data").mkdir()
        for table in contents.tables:
            write_table(table, folder / "data" / f"{table.name}.parquet")
        configs = [
            line
            for name in COLUMNS
            for line in (
                f"- config_name: {name}",
                *(["  default: true"] if name == "measurements" else []),
                f"  data_files: data/{name}.parquet",
            )
        ]
        head = "\n".join(["---", "configs:", *configs, "---", "", ""])
        (folder / "README.md").write_text(contents.readme(head), encoding="utf-8")
    return path
