"""What the command line prints, and what libraries say meanwhile: never more than text.

Names and texts come from files of others, and may hold what steers a terminal.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from cortexscope.texts import plain_lines, shortened

if TYPE_CHECKING:
    from rich.console import Console

    from cortexscope.store import Run

__all__ = [
    "LOG_FORMATS",
    "LONGEST",
    "UNCUT",
    "console",
    "display",
    "log_format",
    "outside_voices",
    "remark",
    "say",
    "tell",
    "tells_events",
]

LOG_FORMATS = ("text", "json")
"""How standard error says things: in lines for people, or an event a line for programs."""

_EVENTS: ContextVar[bool] = ContextVar("_EVENTS", default=False)

LONGEST = 2000
"""Characters of a message that is not of our own making."""

UNCUT = 10_000
"""Columns for a pipe, which has no width; a line cut at 80 would lose text there."""


@contextlib.contextmanager
def log_format(name: str) -> Iterator[None]:
    """Have standard error say things so in the block; one of `LOG_FORMATS`."""
    token = _EVENTS.set(name == "json")
    try:
        yield
    finally:
        _EVENTS.reset(token)


def tells_events() -> bool:
    """Return whether standard error says things as events."""
    return _EVENTS.get()


def say(text: object, *, err: bool = False, end: str = "\n") -> None:
    """Print text to standard output, or to standard error, there as an event if so asked."""
    if err and tells_events():
        tell("note", text=str(text).rstrip("\n"))
    else:
        typer.echo(plain_lines(str(text)) + end, nl=False, err=err)


def tell(event: str, **facts: object) -> None:
    """Print an event to standard error: a line of JSON with time, name and facts."""
    typer.echo(_line(event, **facts), err=True)


def _line(event: str, **facts: object) -> str:
    # Control characters are escaped in JSON, and so steer no terminal.
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, "event": event, **facts})


def remark(run: Run) -> Run:
    """Say on standard error what a run lacks or has too much of; return the run."""
    for sentence in run.remarks:
        say(sentence, err=True)
    return run


def console(*, err: bool = False, elsewhere: int | None = None) -> Console:
    """Return a console of rich that shows text as it is: no markup, no control characters.

    Args:
        err: on standard error.
        elsewhere: its width where it is no terminal, rich's own choice where None.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class _Plain(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                if segment.control or segment.text == "\n":
                    yield segment
                else:
                    yield segment._replace(text=plain_lines(segment.text))

    def made(width: int | None) -> Console:
        return _Plain(stderr=err, width=width, markup=False, highlight=False, emoji=False)

    terminal = made(None)
    return terminal if terminal.is_terminal or elsewhere is None else made(elsewhere)


def display(renderable: object = "", *, elsewhere: int | None = UNCUT) -> None:
    """Print what rich renders to standard output; `elsewhere` as of `console`."""
    console(elsewhere=elsewhere).print(renderable)


@contextlib.contextmanager
def outside_voices() -> Iterator[None]:
    """Make warnings and log records of libraries one bounded line each; restore all after."""
    form, factory = warnings.formatwarning, logging.getLogRecordFactory()

    class _Record(logging.LogRecord):
        def getMessage(self) -> str:
            text = shortened(super().getMessage(), LONGEST)
            return _line("log", logger=self.name, text=text) if tells_events() else text

    def formatted(message: Warning | str, category: type[Warning], *_: object) -> str:
        text = f"{category.__name__}: {shortened(str(message), LONGEST)}"
        return (_line("warning", text=text) if tells_events() else text) + "\n"

    warnings.formatwarning = formatted  # type: ignore[assignment]
    logging.setLogRecordFactory(_Record)
    try:
        yield
    finally:
        warnings.formatwarning = form
        logging.setLogRecordFactory(factory)
