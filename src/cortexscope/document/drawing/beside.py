"""Draw figures in a process of its own, while the one that asked goes on."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Condition, Thread
from types import TracebackType

from cortexscope.document._figure import Figure
from cortexscope.document.drawing.matplotlib import Form, pictures

__all__ = ["Beside"]

_FEW = 12
"""Panels; of no more, a process costs more than it saves."""


class Beside:
    """Draws figures by matplotlib while their process goes on; leaving the context stops it.

    A process and not a thread, since most of drawing is Python. What it has not begun when all are
    asked for is drawn here, at the same time and with the same bytes; so is everything where it
    cannot be started, or fails.

    Args:
        forms: in which each is drawn.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = tuple(forms)
        self._figures: dict[str, Figure] = {}
        self._found: dict[str, Mapping[Form, bytes]] = {}
        self._waiting: list[Figure] = []
        """Those that nobody has begun."""
        self._changed = Condition()
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._changed.notify()
        if self._process is not None:
            self._process.kill()
        if self._thread is not None:
            self._thread.join()

    def draw(self, figure: Figure) -> None:
        """Begin to draw a figure; one without panels is left out."""
        if not figure.panels:
            return
        with self._changed:
            self._figures[figure.key] = figure
            self._waiting.append(figure)
            self._changed.notify()
        many = sum(len(own.panels) for own in self._figures.values()) > _FEW
        if many and self._thread is None:
            self._thread = Thread(target=self._hand_over, daemon=True)
            self._thread.start()

    def pictures(self) -> Mapping[str, Mapping[Form, bytes]]:
        """Return the pictures of each figure by key and form, when they are drawn."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        while (own := self._next()) is not None:
            self._found[own.key] = _pictures(own, self._forms)
        if self._thread is not None:
            self._thread.join()
        for key, own in self._figures.items():
            if key not in self._found:
                self._found[key] = _pictures(own, self._forms)
        return {key: self._found[key] for key in self._figures}

    def _next(self) -> Figure | None:
        """Return the largest of those that wait, when there is one; None where none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            largest = max(self._waiting, key=lambda own: len(own.panels))
            self._waiting.remove(largest)
            return largest

    def _hand_over(self) -> None:
        """Have the process draw one after the other, until it fails or none will come."""
        with suppress(OSError, ValueError, EOFError, pickle.UnpicklingError):
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            with self._process as process:
                assert process.stdin is not None
                assert process.stdout is not None
                while (own := self._next()) is not None:
                    # What cannot be sent, or got, is drawn here later.
                    with suppress(AttributeError, TypeError, pickle.PicklingError):
                        process.stdin.write(pickle.dumps((own, self._forms)))
                        process.stdin.flush()
                        self._found[own.key] = pickle.load(process.stdout)


def _pictures(figure: Figure, forms: Sequence[Form]) -> Mapping[Form, bytes]:
    return dict(zip(forms, pictures(figure, forms), strict=True))


def _main() -> None:
    """Draw what comes in, one after the other."""
    with suppress(EOFError, pickle.UnpicklingError):
        while True:
            pickle.dump(_pictures(*pickle.load(sys.stdin.buffer)), sys.stdout.buffer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
