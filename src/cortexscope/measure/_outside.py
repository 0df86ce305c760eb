"""What of plug-ins is bounded and said, so that one which fails costs no more than its metric."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import IO

from cortexscope.metrics import METRICS
from cortexscope.metrics.base.metric import Metric
from cortexscope.metrics.base.plugins import failure
from cortexscope.texts import shortened

__all__ = ["bounded_output", "is_outside", "reason", "sentence"]

_PRINTED = 10_000
"""Most characters that a plug-in prints at once, of what it is shown of one layer."""

_LONGEST = 120
"""Characters of a reason."""

_LONGEST_SENTENCE = 500


def is_outside(metric: Metric) -> bool:
    """Return whether a metric's code is not cortexscope's own."""
    name = metric.spec.name
    return name in METRICS.names() and METRICS.origin(name) is not None


def reason(error: BaseException) -> str:
    """Return why there is no value where a plug-in failed."""
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    return shortened(f"its plug-in failed ({said})", _LONGEST)


def sentence(metric: Metric, error: BaseException) -> str:
    """Return what to say where a plug-in failed: which file and line, and how."""
    return shortened(str(failure(metric.spec.name, error)), _LONGEST_SENTENCE)


class _Bounded(io.TextIOBase):
    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._left = _PRINTED

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self._stream.flush()

    def write(self, text: str) -> int:
        self._left -= len(text)
        if self._left < 0:
            raise RuntimeError(f"it prints more than {_PRINTED:,} characters at once")
        return self._stream.write(text)


@contextmanager
def bounded_output() -> Iterator[None]:
    """Let a plug-in print, but not without end, which would bury what else is said."""
    with redirect_stdout(_Bounded(sys.stdout)), redirect_stderr(_Bounded(sys.stderr)):
        yield
