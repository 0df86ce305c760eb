"""A DuckDB file with the tables, and views of means over heads, layers and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from cortexscope.errors import StoreError, UsageError
from cortexscope.exports._contents import COLUMNS, Contents
from cortexscope.files import whole_file
from cortexscope.store import PREFIX

if TYPE_CHECKING:
    import duckdb

__all__ = ["write"]

_OF_PROMPTS = "FROM measurements WHERE prompt_id IS NOT NULL AND step IS NULL AND index IS NULL"
_VIEWS = {
    "prompt_values": (
        "a prompt's value: its mean over layers and heads",
        "SELECT model, metric, stack, task, prompt_id, any_value(n_tokens) AS n_tokens, "
        f"avg(value) AS value {_OF_PROMPTS} GROUP BY ALL",
    ),
    "layer_values": (
        "a layer's mean over prompts and heads",
        "SELECT model, metric, stack, layer, avg(value) AS value, count(value) AS values "
        f"{_OF_PROMPTS} AND layer IS NOT NULL GROUP BY ALL",
    ),
    "head_values": (
        "a head's mean over prompts",
        "SELECT model, metric, stack, layer, head, avg(value) AS value, count(value) AS values "
        f"{_OF_PROMPTS} AND head IS NOT NULL GROUP BY ALL",
    ),
}


def write(contents: Contents, path: Path) -> Path:
    """Write the tables with comments on their columns, and the views.

    Raises:
        UsageError: if duckdb is not installed.
        StoreError: if the file cannot be written.
    """
    try:
        import duckdb
    except ImportError as error:
        raise UsageError(
            "A DuckDB file needs the package duckdb, which is not installed: "
            "pip install 'cortexscope[duckdb]'"
        ) from error
    with whole_file(path) as part:
        # It makes the file, and would take an empty one for a damaged one.
        part.unlink(missing_ok=True)
        try:
            with duckdb.connect(str(part)) as made:
                _fill(made, contents)
        except duckdb.Error as error:
            why = str(error).split("\n")[0]
            raise StoreError(f"Cannot write {path}: {why.rstrip('.')}.") from error
    return path


def _fill(made: duckdb.DuckDBPyConnection, contents: Contents) -> None:
    for table in contents.tables:
        reader = pa.RecordBatchReader.from_batches(
            table.schema, (own for batch in table.batches for own in batch.to_batches())
        )
        made.register("incoming", reader)
        made.execute(f'CREATE TABLE "{table.name}" AS SELECT * FROM incoming')
        made.unregister("incoming")
        for column, what in COLUMNS[table.name].items():
            if column in table.schema.names:
                said = what.replace("'", "''")
                made.execute(f"""COMMENT ON COLUMN "{table.name}"."{column}" IS '{said}'""")
    own = made.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 'prompts' "
        "AND starts_with(column_name, $prefix) ORDER BY column_index",
        {"prefix": PREFIX},
    ).fetchall()
    columns = "".join(f", prompts.{_quoted(name)}" for (name,) in own)
    for name, (what, query) in _VIEWS.items():
        if columns and name == "prompt_values":
            query = (
                f"SELECT values.*{columns} FROM ({query}) AS values JOIN prompts USING (prompt_id)"
            )
            what += ", with the columns of the prompts' own"
        made.execute(f'CREATE VIEW "{name}" AS {query}')
        said = what.replace("'", "''")
        made.execute(f"""COMMENT ON VIEW "{name}" IS '{said}'""")


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
