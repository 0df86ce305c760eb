"""Let a signal that ends the program wait until the batch under way is measured and stored.

What a signal ends is the process, so that whoever measures in it asks here whether to stop.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["batches_first", "stops"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAID = "stops after the batch under way, which is kept; a second signal stops at once"

_waiting: int | None = None


def stops() -> bool:
    """Return whether a signal waits, so that no further batch is to be begun."""
    return _waiting is not None


@contextmanager
def batches_first(say: Callable[[str], None]) -> Iterator[None]:
    """Let the first signal wait until the block is left; a second one is not kept back.

    Outside of the main thread, where signals never arrive, nothing changes. One that is ignored
    stays so.

    Args:
        say: told that a signal waits.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _waiting
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: own for number, own in before.items() if own not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for own, handler in before.items():
            signal.signal(own, handler)

    def wait(number: int, frame: FrameType | None) -> None:
        global _waiting
        if _waiting is not None:
            _waiting = None
            restore()
            _end(number)
        _waiting = number
        # A signal may come while the same stream is being written.
        with suppress(RuntimeError):
            say(_SAID)

    for own in before:
        signal.signal(own, wait)
    try:
        yield
    finally:
        restore()
        number, _waiting = _waiting, None
        if number is not None:
            _end(number)


def _end(number: int) -> None:
    """Do what the signal does without us, but leave blocks on the way out.

    Raises:
        BaseException: always, of whoever handles the signal, or one that ends the program.
    """
    if signal.getsignal(number) != signal.SIG_DFL:
        signal.raise_signal(number)
    raise SystemExit(128 + number)
