"""Workers that are forked before they are wanted: what they import takes each some seconds.

They are processes of the driver as those that it starts are, with its limits, and hold no end of
another's pipe. Where more are wanted than there are, the driver starts them as always.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any

__all__ = ["fork_ahead", "name_of"]

_AHEAD = 4
"""Two workers for each of two models."""
_WAITING = (signal.SIGINT, signal.SIGTERM)
_SET_NAME = 15
"""Of prctl(2)."""


def name_of(mark: str) -> str:
    """Return how the system calls forked workers of a round, in which no environment is new."""
    return f"chaos-{hashlib.sha256(mark.encode()).hexdigest()[:8]}"


class _Forked:
    """What a driver uses of a `subprocess.Popen`."""

    def __init__(self, mark: str, earlier: Sequence[_Forked]) -> None:
        theirs, own = os.pipe()
        back, given = os.pipe()
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            for stream in (one for other in earlier for one in (other.stdin, other.stdout)):
                os.close(stream.fileno())
            os.close(own)
            os.close(back)
            _work(mark, theirs, given)
        os.close(theirs)
        os.close(given)
        self.stdin: IO[bytes] = os.fdopen(own, "wb")
        self.stdout: IO[bytes] = os.fdopen(back, "rb")

    def kill(self) -> None:
        self._send(9)

    def terminate(self) -> None:
        self._send(15)

    def _send(self, number: int) -> None:
        # After it has been waited for, its number may be another's.
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        # Only asked for once it is killed or has closed its pipe.
        del timeout
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code


def _work(mark: str, jobs: int, given: int) -> None:
    """Be a worker from the first byte on."""
    import torch

    from cortexscope.engine.backends import _process

    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)
    if not os.read(jobs, 1):
        os._exit(0)
    ctypes.CDLL(None).prctl(_SET_NAME, name_of(mark).encode(), 0, 0, 0)
    os.setsid()
    os.dup2(jobs, 0)
    os.dup2(given, 1)
    os.close(jobs)
    os.close(given)
    sys.stdin = os.fdopen(0)
    torch.set_num_threads(1)
    _process._main()


def fork_ahead(mark: str) -> None:
    """Have the workers that this process will start forked now, while it has one thread."""
    from cortexscope.engine.backends import _process

    waiting: list[_Forked] = []
    # What Python does around a fork of its own accord would swallow what a signal raises.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)
    for _ in range(_AHEAD):
        waiting.append(_Forked(mark, waiting))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)

    class Starter:
        """What the backend knows as `subprocess`."""

        PIPE, TimeoutExpired = subprocess.PIPE, subprocess.TimeoutExpired

        @staticmethod
        def Popen(line: Sequence[str], **options: Any) -> Any:
            if not waiting:
                return subprocess.Popen(line, **options)
            found = waiting.pop(0)
            found.stdin.write(b"1")
            found.stdin.flush()
            return found

    _process.subprocess = Starter  # type: ignore[attr-defined]
