"""Draw figures in a process of its own, while the one that asked goes on."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO

from cortexscope.document._figure import Figure
from cortexscope.document.drawing.matplotlib import Form, pictures

__all__ = ["Beside"]

_FEW = 12
"""Panels; of no more, a process costs more than it saves."""


class Beside:
    """Draws figures by matplotlib while their process goes on; leaving the context stops it.

    A process and not a thread, since most of drawing is Python. Where it cannot be started, or
    fails, figures are drawn here when they are asked for, with the same bytes.

    Args:
        forms: in which each is drawn.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = tuple(forms)
        self._figures: dict[str, Figure] = {}
        self._sent = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._drawn: IO[bytes] | None = None
        self._found: dict[str, Mapping[Form, bytes]] | None = None

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._drawn is not None:
            self._drawn.close()

    def draw(self, figure: Figure) -> None:
        """Begin to draw a figure; one without panels is left out."""
        if not figure.panels:
            return
        self._figures[figure.key] = figure
        if sum(len(own.panels) for own in self._figures.values()) > _FEW:
            # What cannot be sent is drawn here later.
            with suppress(OSError, ValueError, AttributeError, TypeError, pickle.PicklingError):
                self._send()

    def _send(self) -> None:
        if self._process is None:
            # A file and not a pipe, which would fill while nobody reads it.
            self._drawn = tempfile.TemporaryFile()  # noqa: SIM115 - as long as its process
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE, stdout=self._drawn, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        assert self._process.stdin is not None
        for own in list(self._figures.values())[self._sent :]:
            self._sent += 1
            self._process.stdin.write(pickle.dumps((own, self._forms)))
        self._process.stdin.flush()

    def pictures(self) -> Mapping[str, Mapping[Form, bytes]]:
        """Return the pictures of each figure by key and form, when they are drawn."""
        if self._found is None:
            found = dict(self._received())
            self._found = {
                key: found[key] if key in found else _pictures(own, self._forms)
                for key, own in self._figures.items()
            }
        return self._found

    def _received(self) -> Iterator[tuple[str, Mapping[Form, bytes]]]:
        if self._process is None or self._drawn is None:
            return
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._drawn.seek(0)
        # After the last one there is nothing, or half of one where the process was stopped.
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                yield pickle.load(self._drawn)


def _pictures(figure: Figure, forms: Sequence[Form]) -> Mapping[Form, bytes]:
    return dict(zip(forms, pictures(figure, forms), strict=True))


def _main() -> None:
    """Draw what comes in, and read on meanwhile, so that who sends never waits."""
    asked: SimpleQueue[tuple[Figure, Sequence[Form]] | None] = SimpleQueue()

    def read() -> None:
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                asked.put(pickle.load(sys.stdin.buffer))
        asked.put(None)

    Thread(target=read, daemon=True).start()
    while (own := asked.get()) is not None:
        pickle.dump((own[0].key, _pictures(*own)), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
