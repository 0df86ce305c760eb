"""Draw figures in a process of its own, while the one that asked goes on."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO

from cortexscope.document._figure import Figure
from cortexscope.document.drawing.matplotlib import Form, pictures

__all__ = ["Beside"]

Pictures = Mapping[str, Mapping[Form, bytes]]

_FEW = 24
"""Panels; of no more, a process costs more than it saves."""


class Beside:
    """Figures that are being drawn by matplotlib; leaving the context stops it.

    A process and not a thread, since most of drawing is Python. Where it cannot be started, or
    fails, the figures are drawn here when they are asked for, with the same bytes.

    Args:
        figures: with panels.
        forms: in which each is drawn.
    """

    def __init__(self, figures: Sequence[Figure], forms: Sequence[Form]) -> None:
        self._figures, self._forms = tuple(figures), tuple(forms)
        self._asked: IO[bytes] | None = None
        self._drawn: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._found: Pictures | None = None

    def __enter__(self) -> Beside:
        if sys.executable and sum(len(own.panels) for own in self._figures) > _FEW:
            # Files and not pipes, which would fill while nobody reads them.
            self._asked, self._drawn = tempfile.TemporaryFile(), tempfile.TemporaryFile()
            try:
                pickle.dump((self._figures, self._forms), self._asked)
                self._asked.seek(0)
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__],
                    stdin=self._asked, stdout=self._drawn, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            except (OSError, pickle.PicklingError, AttributeError, TypeError):
                self._process = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for file in (self._asked, self._drawn):
            if file is not None:
                file.close()

    def pictures(self) -> Pictures:
        """Return the pictures of each figure by key and form, when they are drawn."""
        if self._found is None:
            self._found = self._received() or _all(self._figures, self._forms)
        return self._found

    def _received(self) -> Pictures | None:
        if self._process is None or self._drawn is None or self._process.wait() != 0:
            return None
        self._drawn.seek(0)
        found: Pictures = pickle.load(self._drawn)
        return found


def _all(figures: Sequence[Figure], forms: Sequence[Form]) -> Pictures:
    return {own.key: dict(zip(forms, pictures(own, forms), strict=True)) for own in figures}


if __name__ == "__main__":
    pickle.dump(_all(*pickle.load(sys.stdin.buffer)), sys.stdout.buffer)
