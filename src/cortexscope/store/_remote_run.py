"""A run folder at a URL, and the folder here that it is read from and written in."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from cortexscope.cache import cache_folder
from cortexscope.errors import CorruptRunError, RunExistsError, RunLockedError, StoreError
from cortexscope.files import storage_errors
from cortexscope.remote import Entry, RemoteFolder, is_url
from cortexscope.store._contents import FileFault
from cortexscope.store._hashes import check_hash, known_hashes
from cortexscope.store._layout import LOCK, Layout
from cortexscope.store._lock import RunLock, check_unlocked
from cortexscope.store._manifest import COPY, MANIFEST, read_manifest
from cortexscope.store._remote_lock import only_writer
from cortexscope.store._sent import FETCHING, Known, Sent, is_measured, is_read, is_written

__all__ = ["RemoteRun", "local_folder"]

_LAST = (COPY, MANIFEST)
"""Read and put last: whoever sees a manifest finds all that it tells of."""

_EVERY = 60.0
"""Seconds between what is put while a run goes on."""


class RemoteRun:
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
        self._replaced: int | None = None
        """When the manifest here was written that is not to be put there; 0 where there is none."""
        self._next = 0.0

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
        for some in _in_order(changed):
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

    @contextlib.contextmanager
    def written(self, *, resume: bool, force: bool) -> Iterator[Path]:
        """Yield the folder here to write the run in; what is finished is put there at the end.

        A second writer elsewhere is kept out by a file there. Ended by the user, the block puts no
        more: the folder stays, and the same with `resume` goes on.

        Raises:
            RunExistsError: if something there or here would be lost.
            RunLockedError: if another process is writing there.
            StoreError: if it cannot be read or written; what is here stays whole.
        """
        check_unlocked(self.path / LOCK)
        entries = self.remote.entries()
        if any(map(is_measured, entries)) and not (resume or force):
            raise RunExistsError(
                f"{self} holds a run; continue it with --resume, replace it with --force, or "
                "choose another --out."
            )
        with self._alone_here(), only_writer(self.remote):
            self._begin(entries, resume=resume, force=force)
            try:
                yield self.path
            except Exception:
                # What went wrong is what is told, whatever becomes of what was finished before.
                with contextlib.suppress(StoreError):
                    self.upload()
                raise
            self.upload()

    @contextlib.contextmanager
    def _alone_here(self) -> Iterator[None]:
        # Not in the folder, which must be as empty as a new run's.
        file = self.path.with_name(f".{self.path.name}.lock")
        try:
            lock = RunLock(file)
        except RunLockedError as error:
            raise RunLockedError(str(error).replace(str(file.parent), str(self), 1)) from error
        try:
            yield
        finally:
            lock.release()

    def _begin(self, entries: Mapping[str, Entry], *, resume: bool, force: bool) -> None:
        """Make the folder here one that a run can be written in as it was asked for."""
        unsent = self._sent.unsent()
        if force:
            manifest = self.path / MANIFEST
            self._replaced = manifest.stat().st_mtime_ns if manifest.is_file() else 0
        elif unsent and not resume:
            raise RunExistsError(
                f"{self.path} holds results for {self} that were not uploaded; go on with "
                "--resume, or replace them with --force."
            )
        elif unsent:
            known = self._sent.read().get(MANIFEST)
            if MANIFEST in entries and (known is None or known.there != entries[MANIFEST]):
                raise StoreError(
                    f"{self} was written by others since, and {self.path} holds results that were "
                    "not uploaded; remove that folder to go on from what is there, or choose "
                    "another --out."
                )
        elif any(map(is_measured, entries)):
            self._take(entries)
        else:
            # What it was a copy of is gone.
            self._sent.write({})
            shutil.rmtree(self.path, ignore_errors=True)

    def step(self) -> None:
        """Put what is finished by now, at most once a minute.

        Raises:
            StoreError: if it cannot be put; what is here stays whole.
        """
        if time.monotonic() >= self._next:
            self.upload()
            self._next = time.monotonic() + _EVERY

    def upload(self) -> None:
        """Put there what is new here, the manifest last, and remove what is here no more.

        Raises:
            StoreError: if it cannot be put; what is here stays whole.
        """
        manifest = self.path / MANIFEST
        if not manifest.is_file() or manifest.stat().st_mtime_ns == self._replaced:
            return
        try:
            if self._replaced is not None:
                there = [name for name in self.remote.entries() if is_written(name)]
                # Without a manifest nothing of the run before is read any more.
                for some in reversed(_in_order(there)):
                    self.remote.remove(some)
                self._sent.write({})
                self._replaced = None
            self._put()
        except StoreError as error:
            raise StoreError(
                f"{str(error).rstrip('.')}. The run is whole in {self.path}; `cortexscope upload "
                f"{self.path} {self}` puts it there."
            ) from error

    def _put(self) -> None:
        known, here = self._sent.read(), self._sent.here()
        new = [
            name for name, own in here.items() if name not in known or known[name].when != own.when
        ]
        gone = known.keys() - here.keys()
        for some in _in_order(new):
            for names in self.remote.put({name: self.path / name for name in some}):
                known |= {name: here[name] for name in names}
                self._sent.write(known)
        self.remote.remove(gone)
        if new or gone:
            entries = self.remote.entries()
            self._sent.write(
                {
                    name: Known(entries[name], own.when)
                    for name, own in known.items()
                    if name in entries and name not in gone
                }
            )


def local_folder(place: Path | str, *, check: bool = True) -> Path:
    """Return the folder of a run: of a URL, the one here with what is there now.

    Args:
        place: a folder, or a URL that fsspec opens.
        check: as of `RemoteRun.fetched`.

    Raises:
        UsageError: if fsspec cannot open such URLs.
        StoreError: if what is behind it cannot be read.
        CorruptRunError: if a file has other bytes than were noted when it was written.
    """
    if isinstance(place, str) and is_url(place):
        return RemoteRun(place).fetched(check=check)
    return Path(place)


def _in_order(names: Collection[str]) -> list[list[str]]:
    """Return names in groups that are to be had one after the other: the manifest last."""
    rest = [name for name in names if name not in _LAST]
    return [own for own in (rest, *([name] for name in _LAST if name in names)) if own]


def _plain(part: str) -> str:
    """Return a part of a URL as the name of a folder."""
    name = quote(part.rstrip(":"), safe="@+ ").replace("..", "%2E%2E")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    return name if len(name) <= 200 else sha256(name.encode()).hexdigest()
