"""The tables of an analysis as files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope._version import __version__
from cortexscope.analysis._settings import ABOUT
from cortexscope.analysis.tables import TABLES
from cortexscope.files import as_csv, whole_file

if TYPE_CHECKING:
    from cortexscope.analysis._analysis import Analysis

__all__ = ["write_tables"]


def write_tables(of: Analysis) -> tuple[Path, ...]:
    """Write a CSV file a table and `stats.json`, which says what they are; return the paths.

    Raises:
        StoreError: if they cannot be written.
    """
    assert of.folder is not None, "several runs have no folder of their own; name one"
    paths: list[Path] = []
    missing: dict[str, str] = {}
    for name in of.names:
        file = of.folder / f"{name}.csv"
        why = of.unasked(name) or of.missing(name)
        if why is not None:
            missing[name] = why
            file.unlink(missing_ok=True)
            continue
        with whole_file(file) as part:
            part.write_text(as_csv(of.table(name)), encoding="utf-8")
        paths.append(file)
    about = {
        "cortexscope": __version__,
        "run": str(of.measured),
        "suite": of.measured.runs[0].manifest.suite.model_dump(),
        **asdict(of.settings),
        "focus": list(of.focus),
        **of.groups.about,
        "tables": {path.stem: TABLES[path.stem].holds for path in paths},
        "missing": missing,
    }
    with whole_file(of.folder / ABOUT) as part:
        part.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return (*paths, of.folder / ABOUT)
