"""Tables of statistics that are kept, so that nobody makes one twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.errors import StoreError
from cortexscope.files import whole_file
from cortexscope.store import Measurements

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Kept"]

_SOURCE, _KEY = b"cortexscope.source", b"cortexscope.key"


class Kept:
    """Tables in Parquet files, each with the digest of all that decides its numbers.

    Args:
        folder: where they are, in its folder `kept`; None where nothing is to be kept.
        measured: what they are of.
    """

    def __init__(self, folder: Path | None, measured: Measurements) -> None:
        self._folder = None if folder is None else folder / "kept"
        self._measured = measured
        self._digests: dict[bool, str] = {}

    def holds(self, name: str, choices: Sequence[object], *, of_vectors: bool) -> bool:
        """Return whether a table is kept."""
        return self._found(name, choices, of_vectors=of_vectors) is not None

    def table(
        self,
        name: str,
        build: Callable[[], pd.DataFrame],
        choices: Sequence[object],
        *,
        of_vectors: bool,
    ) -> pd.DataFrame:
        """Return a table as it was kept, or as it is built; the same to the last bit.

        Args:
            name: of the table.
            build: makes it.
            choices: what decides it besides what was measured, as data.
            of_vectors: whether it is made of vectors too.
        """
        import pyarrow as pa

        kept = self._found(name, choices, of_vectors=of_vectors)
        if kept is None:
            kept = pa.Table.from_pandas(build(), preserve_index=False)
            if self._folder is not None:
                file, source, key = self._named(name, choices, of_vectors=of_vectors)
                about = {**kept.schema.metadata, _SOURCE: source.encode(), _KEY: key.encode()}
                # Whoever may not write here, or has no room, has the table all the same.
                with contextlib.suppress(StoreError):
                    _write(kept.replace_schema_metadata(about), file)
                    self._forget(name, source)
        frame: pd.DataFrame = kept.to_pandas()
        return frame

    def _found(self, name: str, choices: Sequence[object], *, of_vectors: bool) -> pa.Table | None:
        if self._folder is None:
            return None
        file, _, key = self._named(name, choices, of_vectors=of_vectors)
        kept = _read(file)
        whole = kept is not None and kept.schema.metadata.get(_KEY) == key.encode()
        return kept if whole else None

    def _named(
        self, name: str, choices: Sequence[object], *, of_vectors: bool
    ) -> tuple[Path, str, str]:
        """Return a table's file, and the digests of what it is made of and of all that decides."""
        assert self._folder is not None
        source = _digest([self._digest(of_vectors), _code()])
        key = _digest([source, list(choices), name])
        return self._folder / f"{name}-{key[:16]}.parquet", source, key

    def _digest(self, of_vectors: bool) -> str:
        if of_vectors not in self._digests:
            each = [run.digest(vectors=of_vectors) for run in self._measured.runs]
            self._digests[of_vectors] = _digest(each)
        return self._digests[of_vectors]

    def _forget(self, name: str, source: str) -> None:
        """Remove tables of a name that are of other measurements or code, which are gone."""
        assert self._folder is not None
        for file in self._folder.glob(f"{name}-*.parquet"):
            other = _read(file)
            if other is None or other.schema.metadata.get(_SOURCE) != source.encode():
                with contextlib.suppress(OSError):
                    file.unlink()


def _read(file: Path) -> pa.Table | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException, UnicodeError, KeyError):
        return None
    return table if table.schema.metadata else None


def _write(table: pa.Table, file: Path) -> None:
    import pyarrow.parquet as pq

    with whole_file(file) as part:
        pq.write_table(table, part, write_page_checksum=True)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@cache
def _code() -> str:
    """Return a digest of the code that decides the statistics, and of what it stands on."""
    found = hashlib.sha256()
    for package in ("analysis", "stats", "store"):
        for path in sorted(Path(str(files("cortexscope") / package)).rglob("*.py")):
            found.update(path.read_bytes())
    for name in ("numpy", "pandas", "scipy", "scikit-learn"):
        found.update(f"{name} {version(name)}".encode())
    return found.hexdigest()
