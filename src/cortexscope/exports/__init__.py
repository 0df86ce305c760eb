"""Runs for other programs: one file a format, with a function `write`."""

from __future__ import annotations

from pathlib import Path

from cortexscope.errors import RunExistsError
from cortexscope.exports._contents import Contents
from cortexscope.registry import Registry
from cortexscope.store import Run, is_copy

__all__ = ["EXPORTS", "export"]

EXPORTS = Registry(
    "export",
    {name: f"cortexscope.exports.{name}:write" for name in ("parquet", "csv", "dataset", "duckdb")},
)
"""Name of a format -> its `write(contents, path)`, of which a path is there whole or not at all.

Other packages add some in the group `cortexscope.exports`.
"""

_ENDINGS = {"duckdb": ".duckdb"}
"""Of what is one file; a folder is called after its format."""


def export(run: Run, form: str, out: Path | None = None, *, texts: bool = True) -> Path:
    """Write a run for other programs; return where.

    Its tables are `measurements` (a value a row, those of generated tokens too), `prompts`,
    `models` and `metrics` (what each metric is), with a README that says what the columns are.

    Args:
        run: the run folder, finished or not.
        form: of `EXPORTS`.
        out: a folder or file that is not there yet; beside the run where None, and here if
            that is at a URL.
        texts: whether the prompts' texts go with it.

    Raises:
        UnknownNameError: if there is no such format.
        RunExistsError: if there is something at `out`.
        UsageError: if the format needs a package that is not installed.
        StoreError: if the run cannot be read, or `out` cannot be written.
    """
    write = EXPORTS.load(form)
    folder = run.path.resolve()
    beside = Path.cwd() if is_copy(folder) else folder.parent
    path = beside / (folder.name + _ENDINGS.get(form, f"-{form}")) if out is None else out
    if path.exists():
        raise RunExistsError(f"{path} is there already; name another place with --out.")
    made: Path = write(Contents(run, texts=texts), path)
    return made
