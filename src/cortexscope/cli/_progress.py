"""What a run says while it works: a bar on a terminal, lines or events elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexscope.cli._terminal import console, say, tell, tells_events
from cortexscope.texts import plain

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bar", "Events", "Lines", "progress_for"]

_EVERY = 10.0
"""Seconds between two plain lines about the same model."""


def progress_for(*, quiet: bool) -> Any:  # noqa: ANN401 - one of the three kinds of progress
    """Return the progress that suits standard error."""
    if quiet:
        from cortexscope.engine import Silent

        return Silent()
    if tells_events():
        return Events()
    return Bar() if sys.stderr.isatty() else Lines()


class Bar:
    """A bar with rate and time left, for a terminal."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def note(self, text: str) -> None:
        """Print a line."""
        console(err=True).print(text)

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Show a bar for a model."""
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._started, self._new = time.perf_counter(), 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console(err=True),
        )
        self._bar.start()
        self._task = self._bar.add_task(plain(model), total=tokens, completed=done, rate="")

    def advance(self, tokens: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._new += tokens
            rate = self._new / max(time.perf_counter() - self._started, 1e-9)
            self._bar.update(self._task, advance=tokens, rate=f"{rate:,.0f} tokens/s")

    def end(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Lines:
    """Plain lines, for a pipe or a log file."""

    def note(self, text: str) -> None:
        """Print a line."""
        say(text, err=True)

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Say what begins."""
        self._model, self._all, self._done, self._new = model, tokens, done, 0
        self._started = self._said = time.perf_counter()
        again = f", {done:,} of them measured before" if done else ""
        self.note(f"{model}: reading {tokens:,} tokens{again}")

    def advance(self, tokens: int) -> None:
        """Say how far it is, now and then."""
        self._done += tokens
        self._new += tokens
        now = time.perf_counter()
        if now - self._said >= _EVERY and self._done < self._all:
            self._said = now
            self._far(self._new / (now - self._started))

    def _far(self, rate: float) -> None:
        left = (self._all - self._done) / rate
        self.note(
            f"{self._model}: {self._done / self._all:.0%}, {rate:,.0f} tokens/s, {left:,.0f} s left"
        )

    def end(self) -> None:
        """Say how fast it was."""
        seconds = max(time.perf_counter() - self._started, 1e-9)
        self._ended(self._new / seconds)

    def _ended(self, rate: float) -> None:
        self.note(f"{self._model}: read {self._new:,} tokens, {rate:,.0f} a second")


class Events(Lines):
    """Events for a program: `note`, and of each model `begin`, `progress` and `end`.

    Tokens are counted with those measured before, the rate without them; memory is what this
    process holds, in bytes.
    """

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Tell what begins."""
        self._model, self._all, self._done, self._new = model, tokens, done, 0
        self._started = self._said = time.perf_counter()
        self._tell("begin")

    def _far(self, rate: float) -> None:
        self._tell("progress", tokens_per_second=round(rate, 1))

    def _ended(self, rate: float) -> None:
        self._tell("end", tokens_per_second=round(rate, 1))

    def _tell(self, event: str, **facts: object) -> None:
        counts = {"model": self._model, "tokens": self._done, "of": self._all}
        tell(event, **counts, **facts, memory=_resident())


def _resident() -> int | None:
    """Return the bytes that this process holds; None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
