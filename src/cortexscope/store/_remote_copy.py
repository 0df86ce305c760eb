"""A run folder at a URL, and the copy of it that is read here."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from cortexscope.cache import cache_folder
from cortexscope.errors import CorruptRunError, StoreError
from cortexscope.files import storage_errors
from cortexscope.remote import Entry, RemoteFolder, is_url
from cortexscope.store._contents import FileFault
from cortexscope.store._hashes import check_hash, known_hashes
from cortexscope.store._layout import LOCK, Layout
from cortexscope.store._lock import check_unlocked
from cortexscope.store._manifest import COPY, MANIFEST, read_manifest
from cortexscope.store._sent import FETCHING, Known, Sent, is_read

__all__ = ["RemoteCopy", "in_order", "is_copy", "local_folder"]

_LAST = (COPY, MANIFEST)
"""Read and put last: whoever sees a manifest finds all that it tells of."""


class RemoteCopy:
    """A run at a URL, and its folder here.

    Args:
        url: of the run folder.
        path: the folder here; where None, one in the user's cache, always the same.

    Raises:
        UsageError: if fsspec cannot open such URLs.
        StoreError: if it cannot be opened.
    """

    def __init__(self, url: str, path: Path | None = None) -> None:
        self.remote = RemoteFolder(url)
        parts = str(self.remote).replace("://", "/", 1).partition("?")[0].split("/")
        own = cache_folder("runs").joinpath(*(_plain(part) for part in parts if part))
        self.path = own if path is None else path
        self._sent = Sent(self.path, kept=self.path.absolute() == own.absolute())

    def __str__(self) -> str:
        return str(self.remote)

    def fetched(self, *, check: bool = True) -> Path:
        """Return the folder here with what is there now; only files that changed are fetched.

        Args:
            check: whether files must have the bytes that were noted when they were first written.

        Raises:
            RunLockedError: if a process here is writing that run.
            StoreError: if there is no run, it cannot be read, or results here were not put there.
            CorruptRunError: if a file has other bytes.
        """
        check_unlocked(self.path / LOCK)
        unsent = self._sent.unsent()
        if unsent:
            raise StoreError(
                f"{self.path} holds results that were not uploaded, such as {unsent[0]}; "
                f"`cortexscope upload {self.path} {self}` does that, or remove that folder."
            )
        entries = self.remote.entries()
        if not any(name in entries for name in _LAST):
            raise StoreError(f"{self} holds no run: there is no {MANIFEST}; check the address.")
        new = self._take(entries)
        now = self.remote.entries()
        if any(now.get(name) != entries.get(name) for name in _LAST):
            raise StoreError(f"{self} was written while it was read; ask for the same again.")
        if check:
            self._check(new)
        return self.path

    def _take(self, entries: Mapping[str, Entry]) -> set[str]:
        """Fetch what changed, remove what is gone; return the names of what was fetched."""
        known = self._sent.read()
        changed = {
            name: entry
            for name, entry in entries.items()
            if is_read(name)
            and not (
                name in known
                and known[name].there == entry
                and known[name].when != FETCHING
                and (self.path / name).is_file()
            )
        }
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            size = sum(entry.size for entry in changed.values())
            if size >= free:
                raise StoreError(
                    f"{self} takes {size:,} bytes, and {self.path} has room for {free:,}; free "
                    "some space, or name a larger disk by CORTEXSCOPE_CACHE."
                )
            for name in known.keys() - entries.keys():
                (self.path / name).unlink(missing_ok=True)
                del known[name]
        known |= {name: Known(entry, FETCHING) for name, entry in changed.items()}
        self._sent.write(known)
        for some in in_order(changed):
            for names in self.remote.fetch({name: changed[name] for name in some}, self.path):
                for name in names:
                    known[name] = Known(changed[name], (self.path / name).stat().st_mtime_ns)
                self._sent.write(known)
        return set(changed)

    def _check(self, names: Collection[str]) -> None:
        """Check that files have the bytes that were noted when they were written."""
        layout = Layout(self.path, read_manifest(self.path))
        for label in layout.manifest.shards:
            for shard in filter(Path.is_file, layout.planned(label)):
                try:
                    noted = known_hashes(layout, shard)
                    for name in noted.keys() & names:
                        check_hash(layout, self.path / name, noted)
                except FileFault as fault:
                    raise CorruptRunError(
                        f"{self}: {shard.relative_to(self.path)}, or a file beside it, {fault}; "
                        f"`cortexscope doctor {self}` says which."
                    ) from fault


def local_folder(place: Path | str, *, check: bool = True) -> Path:
    """Return the folder of a run: of a URL, the one here with what is there now.

    Args:
        place: a folder, or a URL that fsspec opens.
        check: as of `RemoteCopy.fetched`.

    Raises:
        UsageError: if fsspec cannot open such URLs.
        StoreError: if what is behind it cannot be read.
        CorruptRunError: if a file has other bytes than were noted when it was written.
    """
    if isinstance(place, str) and is_url(place):
        return RemoteCopy(place).fetched(check=check)
    return Path(place)


def is_copy(path: Path) -> bool:
    """Return whether a folder is the one here of a run at a URL."""
    return path.resolve().is_relative_to(cache_folder("runs").resolve())


def in_order(names: Collection[str]) -> list[list[str]]:
    """Return names in groups that are to be had one after the other: the manifest last."""
    rest = [name for name in names if name not in _LAST]
    return [own for own in (rest, *([name] for name in _LAST if name in names)) if own]


def _plain(part: str) -> str:
    """Return a part of a URL as the name of a folder."""
    name = quote(part.rstrip(":"), safe="@+ ").replace("..", "%2E%2E")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    return name if len(name) <= 200 else sha256(name.encode()).hexdigest()
