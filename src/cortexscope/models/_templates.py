"""Render chat templates in a process of their own, with bounds on time, memory and text.

A template is a program of the model's authors. The sandbox that it runs in keeps it from files
and from Python's insides, and neither from loops nor from memory.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from cortexscope.models import _templates_child
from cortexscope.models._templates_child import TIME_IS_UP

__all__ = ["TemplateFault", "render_template"]

_SECONDS = 2.0
"""Of computing, for one conversation; ordinary ones take milliseconds."""
_LATE = 120.0
"""Seconds in which an answer must be there, on however busy a machine."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Each thread of a numerical library would take address space, which is bounded."""


class TemplateFault(Exception):
    """Why a template cannot be rendered."""


def render_template(
    template: str, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any]
) -> str:
    """Return what transformers makes of a template and a conversation, up to the model's turn.

    Args:
        template: in Jinja.
        messages: role and content of each turn.
        variables: what the template can name besides, such as special tokens.

    Raises:
        TemplateFault: if the template fails, or takes too long, too much memory or too many words.
    """
    asked = {
        "template": template,
        "messages": list(messages),
        "variables": dict(variables),
        "seconds": _SECONDS,
    }
    with _LOCK:
        answer = _Process.running().ask(asked)
    if "fault" in answer:
        raise TemplateFault(answer["fault"])
    return str(answer["text"])


class _Process:
    """The process that renders, one for this process; it ends when its input does."""

    now: _Process | None = None

    def __init__(self) -> None:
        found = os.pathsep.join(path for path in sys.path if path)
        self.owner = os.getpid()
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", _templates_child.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": found},
        )
        if not self._line():
            self.stop()
            raise TemplateFault(f"no process to render it can be started ({sys.executable})")

    @classmethod
    def running(cls) -> _Process:
        """Return the process, started if there is none; a fork does not use its parent's."""
        if cls.now is None or cls.now.owner != os.getpid():
            cls.now = cls()
        return cls.now

    def ask(self, asked: dict[str, Any]) -> dict[str, str]:
        assert self.child.stdin is not None
        line = b""
        with contextlib.suppress(OSError):  # it ended, of which its output tells
            self.child.stdin.write(json.dumps(asked, default=str).encode() + b"\n")
            self.child.stdin.flush()
            line = self._line()
        if line:
            answer: dict[str, str] = json.loads(line)
            return answer
        self.stop()
        late = self.late or self.child.returncode == -TIME_IS_UP
        why = f"takes more than {_SECONDS:g} seconds" if late else "ends the process it runs in"
        return {"fault": f"it {why}"}

    def _line(self) -> bytes:
        """Return the next line of its output, nothing if it ends, as it does when it is late."""
        assert self.child.stdout is not None
        self.late = False
        timer = threading.Timer(_LATE, self._end)
        timer.start()
        try:
            return self.child.stdout.readline()
        finally:
            timer.cancel()

    def _end(self) -> None:
        self.late = True
        self.child.kill()

    def stop(self) -> None:
        """End the process."""
        type(self).now = None
        for stream in (self.child.stdin, self.child.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        # Without input it ends by itself; how it ended before stays known.
        try:
            self.child.wait(1)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


_LOCK = threading.Lock()


@atexit.register
def _stop() -> None:
    if _Process.now is not None and _Process.now.owner == os.getpid():
        _Process.now.stop()
