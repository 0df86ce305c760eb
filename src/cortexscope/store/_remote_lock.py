"""One writer a run at a URL: a file there that says who, since object stores have no locks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from cortexscope.errors import RunLockedError, StoreError
from cortexscope.remote import RemoteFolder
from cortexscope.store._layout import LOCK

__all__ = ["only_writer", "unlock"]

_LONGEST = 4096
"""Bytes that are read of such a file."""


class _Holder(NamedTuple):
    """Who says that they write."""

    who: str
    here: bool
    """Whether it is a process of this machine."""
    lives: bool
    """Whether it does, as far as this machine knows."""


@contextlib.contextmanager
def only_writer(remote: RemoteFolder) -> Iterator[Callable[[], None]]:
    """Say in a folder who writes it for as long as the block takes, unless another one does.

    What a killed process of this machine left keeps nobody out.

    Yields:
        What checks that nobody was let in meanwhile, as by `unlock`; it raises a StoreError.

    Raises:
        RunLockedError: if another process writes there, or was killed elsewhere while it did.
        StoreError: if the folder cannot be read or written.
    """
    told = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content = json.dumps(told).encode()
    if not remote.create(LOCK, content):
        holder = _holder(remote)
        if holder is not None and holder.lives:
            raise RunLockedError(
                f"{remote} is being written by {holder.who}; wait until it has ended, or choose "
                "another --out. Only if it was killed, let others write by `cortexscope doctor "
                f"{remote} --unlock`."
            )
        remote.remove([LOCK])
        remote.create(LOCK, content)

    def check() -> None:
        if remote.read(LOCK, most=_LONGEST) != content:
            holder = _holder(remote)
            raise StoreError(
                f"{remote} was unlocked meanwhile, and may be written by "
                f"{holder.who if holder else 'others'}."
            )

    try:
        yield check
    finally:
        with contextlib.suppress(StoreError):
            if remote.read(LOCK, most=_LONGEST) == content:
                remote.remove([LOCK])


def unlock(url: str) -> str | None:
    """Let others write a run at a URL that a process was writing when it was killed.

    One that writes all the same puts nothing there any more once it sees that.

    Returns:
        Who was writing, None where nobody kept others out.

    Raises:
        UsageError: if fsspec cannot open such URLs.
        RunLockedError: if it is a process of this machine that lives.
        StoreError: if the folder cannot be read or written.
    """
    remote = RemoteFolder(url)
    holder = _holder(remote)
    if holder is None:
        return None
    if holder.here and holder.lives:
        raise RunLockedError(
            f"{remote} is being written by {holder.who}, which has not ended; wait until it has, "
            "or end it."
        )
    remote.remove([LOCK])
    return holder.who


def _holder(remote: RemoteFolder) -> _Holder | None:
    content = remote.read(LOCK, most=_LONGEST)
    if content is None:
        return None
    try:
        told = json.loads(content)
        pid, host = int(told["pid"]), str(told["host"])
        who = f"process {pid} on {host} since {told['since']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return _Holder("another process", here=False, lives=True)
    here = host == socket.gethostname()
    return _Holder(who, here, not here or _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return pid > 0
