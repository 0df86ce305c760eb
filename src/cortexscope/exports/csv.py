"""A folder of CSV files: an undefined value is an empty cell, a text stands in quotes."""

from __future__ import annotations

from pathlib import Path

from cortexscope.exports._contents import Contents
from cortexscope.files import whole_folder

__all__ = ["write"]

_NOTE = (
    "\nTexts stand as they are: a spreadsheet may take one that begins with `=` for a formula. "
    "`cortexscope tables --format xlsx` is made for spreadsheets.\n"
)


def write(contents: Contents, path: Path) -> Path:
    """Write a file a table, and README.md."""
    import pyarrow.csv

    with whole_folder(path) as folder:
        for table in contents.tables:
            with pyarrow.csv.CSVWriter(folder / f"{table.name}.csv", table.schema) as writer:
                for batch in table.batches:
                    writer.write_table(batch)
        (folder / "README.md").write_text(contents.readme() + _NOTE, encoding="utf-8")
    return path
