"""One writer a run folder: a lock of the operating system, which ends with who holds it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import weakref
from datetime import UTC, datetime
from pathlib import Path

from cortexscope.errors import RunLockedError, StoreError
from cortexscope.files import storage_errors

__all__ = ["RunLock", "check_unlocked"]

_HELD = (errno.EACCES, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


class RunLock:
    """Keeps other writers out of a run folder until it is released or its process ends.

    The file says who holds it, for the message to others; it is the lock on it that counts, so
    that a file which a killed process left behind keeps nobody out.

    Args:
        file: of the lock; its folder is made where it is missing.

    Raises:
        RunLockedError: if another process holds it, which the message names.
        StoreError: if the folder cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with storage_errors(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._handle, self.holds = _taken(file)
        """Whether others are kept out: not where the file system has no locks."""
        self._close = weakref.finalize(self, os.close, self._handle)
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with storage_errors(file):
            os.ftruncate(self._handle, 0)
            os.write(self._handle, json.dumps(holder).encode())

    @property
    def is_there(self) -> bool:
        """Whether its folder is still where it was when it was locked."""
        return self._close.alive and _is_same(self._handle, self._file)

    def check(self) -> None:
        """Check that nothing is written elsewhere than into the folder that was locked.

        Raises:
            StoreError: if it is not there any more.
        """
        if not self.is_there:
            raise StoreError(
                f"{self._file.parent} was moved or removed while it was being written; put it back "
                "where it was, then go on (--resume continues a run)."
            )

    def release(self) -> None:
        """Let others write; nothing is left behind. Done again, it does nothing."""
        if self._close.alive:
            # Before the lock ends, and only its own, so that no other one's file is removed.
            if self.is_there:
                with contextlib.suppress(OSError):
                    self._file.unlink(missing_ok=True)
            self._close()


def _taken(file: Path) -> tuple[int, bool]:
    """Return an open file that is locked, and whether there are locks here."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            there = _lock(handle, file)
            # The one who held it before may have removed this file meanwhile.
            if _is_same(handle, file):
                return handle, there
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, file: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise RunLockedError(
                f"{file.parent} is being written by {_holder(handle)}; wait until it has ended, or "
                "end it, or choose another --out."
            ) from error
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _is_same(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _holder(handle: int) -> str:
    """Return who holds a lock, as its file says."""
    try:
        told = json.loads(os.pread(handle, 4096, 0))
        who = f"process {told['pid']} on {told['host']} since {told['since']}"
    except (ValueError, KeyError, TypeError):
        # It has the lock, and has not yet said who it is.
        return "another process"
    return f"{who}, this very process" if told["pid"] == os.getpid() else who


def check_unlocked(file: Path) -> None:
    """Check that nobody holds a lock; writes nothing.

    Raises:
        RunLockedError: if another process holds it, which the message names.
        StoreError: if the folder cannot be read.
    """
    if not file.exists():
        return
    with storage_errors(file.parent), contextlib.suppress(FileNotFoundError):
        handle = os.open(file, os.O_RDONLY)
        try:
            _lock(handle, file)
        finally:
            os.close(handle)
