"""One writer a run at a URL: a file there that says who, since object stores have no locks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

from cortexscope.errors import RunLockedError, StoreError
from cortexscope.remote import RemoteFolder
from cortexscope.store._layout import LOCK

__all__ = ["only_writer"]

_LONGEST = 4096
"""Bytes that are read of such a file."""


@contextlib.contextmanager
def only_writer(remote: RemoteFolder) -> Iterator[None]:
    """Say in a folder who writes it for as long as the block takes, unless another one does.

    What a killed process of this machine left keeps nobody out.

    Raises:
        RunLockedError: if another process writes there, or was killed elsewhere while it did.
        StoreError: if the folder cannot be read or written.
    """
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content = json.dumps(holder).encode()
    if not remote.create(LOCK, content):
        try:
            told = json.loads(remote.read(LOCK, most=_LONGEST) or b"null")
            host = told["host"]
            who = f"process {told['pid']} on {host} since {told['since']}"
            killed = host == holder["host"] and not _is_alive(int(told["pid"]))
        except (ValueError, KeyError, TypeError):
            who, killed = "another process", False
        if not killed:
            raise RunLockedError(
                f"{remote} is being written by {who}; wait until it has ended, or choose "
                f"another --out. If it was killed, remove {remote}/{LOCK} first."
            )
        remote.remove([LOCK])
        remote.create(LOCK, content)
    try:
        yield
    finally:
        with contextlib.suppress(StoreError):
            remote.remove([LOCK])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return pid > 0
