"""What a list of runs looks at, of runs at a URL: names, sizes, manifests and ends of files."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from cortexscope.errors import UsageError
from cortexscope.files import storage_errors
from cortexscope.remote import Entry, RemoteFolder
from cortexscope.store._manifest import MANIFEST
from cortexscope.store._sent import is_written

__all__ = ["outlined"]

_END = 1 << 16
"""Bytes at the end of a Parquet file that mostly say what it holds."""
_LONGEST = 1 << 26
"""Bytes at the end of one that are read at the most."""


@contextlib.contextmanager
def outlined(url: str, *, depth: int) -> Iterator[Path]:
    """Yield a temporary folder that `list_runs` takes for the one at a URL.

    Manifests are whole; of other files there are the sizes, and of Parquet files the ends, as
    far as they say what a file holds; all else is a hole.

    Args:
        url: of a run folder, or of a folder that holds some.
        depth: how many folders further down a run is still found.

    Raises:
        UsageError: if there is nothing, or fsspec cannot open such URLs.
        StoreError: if what is there cannot be read.
    """
    remote = RemoteFolder(url)
    # Files of a run are in a folder of it.
    entries = remote.entries(depth=depth + 1)
    if not entries:
        raise UsageError(f"There is nothing at {remote}; give a URL that runs are below.")
    own = _of_runs(entries)
    with tempfile.TemporaryDirectory(prefix="cortexscope-") as scratch:
        folder = Path(scratch)
        manifests = {name: own[name] for name in own if PurePosixPath(name).name == MANIFEST}
        for _ in remote.fetch(manifests, folder):
            pass
        with storage_errors(folder):
            for name in own.keys() - manifests.keys():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with (folder / name).open("wb") as file:
                    file.truncate(own[name].size)
        sizes = {name: _END for name in own if name.endswith(".parquet")}
        while sizes:
            longer: dict[str, int] = {}
            for name, end in remote.ends(own, sizes):
                with storage_errors(folder), (folder / name).open("rb+") as file:
                    file.seek(own[name].size - len(end))
                    file.write(end)
                needed = _needed(end)
                if sizes[name] < needed <= min(own[name].size, _LONGEST):
                    longer[name] = needed
            sizes = longer
        yield folder


def _of_runs(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the files that belong to a run, and none that only lie beside one."""
    roots = {str(PurePosixPath(name).parent) for name in entries if name.endswith(MANIFEST)}
    found = {}
    for name, entry in entries.items():
        path = PurePosixPath(name)
        for root in path.parents:
            if str(root) in roots and is_written(str(path.relative_to(root))):
                found[name] = entry
    return found


def _needed(end: bytes) -> int:
    """Return how many bytes at the end of a Parquet file say what it holds."""
    return int.from_bytes(end[-8:-4], "little") + 8 if end[-4:] == b"PAR1" else 0
