"""What the command line prints, and what libraries say meanwhile: never more than text.

Names and texts come from files of others, and may hold what steers a terminal.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from cortexscope.texts import plain_lines, shortened

if TYPE_CHECKING:
    from rich.console import Console

    from cortexscope.store import Run

__all__ = ["LONGEST", "UNCUT", "console", "outside_voices", "remark", "say", "display"]

LONGEST = 2000
"""Characters of a message that is not of our own making."""

UNCUT = 10_000
"""Columns for a pipe, which has no width; a line cut at 80 would lose text there."""


def say(text: object, *, err: bool = False, end: str = "\n") -> None:
    """Print text to standard output, or to standard error."""
    typer.echo(plain_lines(str(text)) + end, nl=False, err=err)


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
            return shortened(super().getMessage(), LONGEST)

    def formatted(message: Warning | str, category: type[Warning], *_: object) -> str:
        return f"{category.__name__}: {shortened(str(message), LONGEST)}\n"

    warnings.formatwarning = formatted  # type: ignore[assignment]
    logging.setLogRecordFactory(_Record)
    try:
        yield
    finally:
        warnings.formatwarning = form
        logging.setLogRecordFactory(factory)
