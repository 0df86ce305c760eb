"""What a run says while it works: a bar on a terminal, lines or events elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexscope.cli._terminal import console, say, tell, tells_events
from cortexscope.pace import Pace
from cortexscope.texts import plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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
    """A bar a model with rate and time left, for a terminal."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._running: dict[str, tuple[TaskID, Pace]] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        shown = console(err=True) if self._bars is None else self._bars.console
        shown.print(text)

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Show a bar for a model."""
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=console(err=True),
            )
            self._bars.start()
        bar = self._bars.add_task(plain(model), total=tokens, completed=done, rate="")
        self._running[model] = bar, Pace(tokens, done)

    def advance(self, model: str, tokens: int) -> None:
        """Move a model's bar."""
        if self._bars is not None and model in self._running:
            bar, pace = self._running[model]
            pace.advance(tokens)
            self._bars.update(bar, advance=tokens, rate=f"{pace.rate:,.0f} tokens/s")

    def end(self, model: str) -> None:
        """Leave the bars as they stand once no model is under way."""
        self._running.pop(model, None)
        if self._bars is not None and not self._running:
            self._bars.stop()
            self._bars = None


class Lines:
    """Plain lines, for a pipe or a log file."""

    def __init__(self) -> None:
        self._running: dict[str, Pace] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        say(text, err=True)

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Say what begins."""
        self._running[model] = Pace(tokens, done)
        again = f", {done:,} of them measured before" if done else ""
        self.note(f"{model}: reading {tokens:,} tokens{again}")

    def advance(self, model: str, tokens: int) -> None:
        """Say how far it is, now and then."""
        pace = self._running.get(model)
        if pace is None:
            return
        pace.advance(tokens)
        if pace.due(_EVERY) and 0 < pace.done < pace.tokens and pace.new > 0:
            self._far(model, pace)

    def _far(self, model: str, pace: Pace) -> None:
        self.note(
            f"{model}: {pace.done / pace.tokens:.0%}, {pace.rate:,.0f} tokens/s, "
            f"{(pace.tokens - pace.done) / pace.rate:,.0f} s left"
        )

    def end(self, model: str) -> None:
        """Say how fast it was."""
        pace = self._running.pop(model, None)
        if pace is not None:
            self._ended(model, pace)

    def _ended(self, model: str, pace: Pace) -> None:
        self.note(f"{model}: read {pace.new:,} tokens, {pace.rate:,.0f} a second")


class Events(Lines):
    """Events for a program: `note`, and of each model `begin`, `progress` and `end`.

    Tokens are counted with those measured before, the rate without them; memory is what this
    process holds, in bytes.
    """

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Tell what begins."""
        self._running[model] = Pace(tokens, done)
        self._tell("begin", model, self._running[model])

    def _far(self, model: str, pace: Pace) -> None:
        self._tell("progress", model, pace, tokens_per_second=round(pace.rate, 1))

    def _ended(self, model: str, pace: Pace) -> None:
        self._tell("end", model, pace, tokens_per_second=round(pace.rate, 1))

    def _tell(self, event: str, model: str, pace: Pace, **facts: object) -> None:
        tell(event, model=model, tokens=pace.done, of=pace.tokens, **facts, memory=_resident())


def _resident() -> int | None:
    """Return the bytes that this process holds; None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
