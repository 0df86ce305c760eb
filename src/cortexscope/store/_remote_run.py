"""A run folder at a URL, written by a folder here: its manifest last."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cortexscope.errors import RunExistsError, RunLockedError, StoreError
from cortexscope.records import Manifest
from cortexscope.remote import Entry
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import RunLock, check_unlocked
from cortexscope.store._manifest import MANIFEST, read_manifest
from cortexscope.store._remote_copy import RemoteCopy, in_order
from cortexscope.store._remote_lock import only_writer
from cortexscope.store._sent import Known, is_measured, is_written

__all__ = ["RemoteRun", "upload_run"]

_LONGEST = 1 << 28
"""Bytes of a manifest that is looked at."""

_EVERY = 60.0
"""Seconds between what is put while a run goes on."""


class RemoteRun(RemoteCopy):
    """A run at a URL that is written by its folder here.

    Args:
        url: of the run folder.
        path: the folder here; where None, one in the user's cache, always the same.

    Raises:
        UsageError: if fsspec cannot open such URLs.
        StoreError: if it cannot be opened.
    """

    def __init__(self, url: str, path: Path | None = None) -> None:
        super().__init__(url, path)
        self._replaced: int | None = None
        """When the manifest here was written that is not to be put there; 0 where there is none."""
        self._next = 0.0
        self._check_alone: Callable[[], None] | None = None
        """Whether others are kept out, None where they are not."""

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
        with self._alone_here(), self._alone_there():
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

    @contextlib.contextmanager
    def _alone_there(self) -> Iterator[None]:
        with only_writer(self.remote) as self._check_alone:
            try:
                yield
            finally:
                self._check_alone = None

    def send(self, *, force: bool) -> None:
        """Put all that is here there, where no other run is.

        Raises:
            RunExistsError: if another run is there.
            RunLockedError: if a process is writing here or there.
            StoreError: if it cannot be put.
        """
        lock = RunLock(self.path / LOCK)
        try:
            manifest = read_manifest(self.path)
            with self._alone_there():
                content = self.remote.read(MANIFEST, most=_LONGEST)
                if content is not None and not _is_of(content, manifest):
                    if not force:
                        raise RunExistsError(
                            f"{self} holds another run; replace it with --force, or choose another "
                            "URL."
                        )
                    self._replaced = 0
                self.upload()
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
            RunLockedError: if another process writes there by now.
            StoreError: if it cannot be put; what is here stays whole.
        """
        if self._check_alone is None:
            with self._alone_there():
                self.upload()
            return
        manifest = self.path / MANIFEST
        if not manifest.is_file() or manifest.stat().st_mtime_ns == self._replaced:
            return
        try:
            self._check_alone()
            if self._replaced is not None:
                there = [name for name in self.remote.entries() if is_written(name)]
                # Without a manifest nothing of the run before is read any more.
                for some in reversed(in_order(there)):
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
        for some in in_order(new):
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


def upload_run(run: Path, url: str, *, force: bool = False) -> RemoteRun:
    """Put a run folder at a URL; what is there of the same run is brought up to date.

    Args:
        run: the folder.
        url: of the run there.
        force: whether another run there is replaced.

    Raises:
        RunExistsError: if another run is there.
        RunLockedError: if a process is writing here or there.
        StoreError: if the folder holds no run, or the URL cannot be written.
    """
    there = RemoteRun(url)
    if run.resolve() != there.path.resolve():
        there = RemoteRun(url, run)
    there.send(force=force)
    return there


def _is_of(content: bytes, own: Manifest) -> bool:
    """Return whether the bytes of a manifest are of this run, however far it was."""
    try:
        found = json.loads(content)
        models = [info["model"] for info in found["models"]]
        other = found["created"], found["suite"]["hash"], models
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return other == (own.created, own.suite.hash, [info.model for info in own.models])
