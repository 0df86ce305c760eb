"""How a command ends early: by a signal of the user, or by code of others that ends the program."""

from __future__ import annotations

import contextlib
import os
import signal
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from typer.core import TyperGroup

import cortexscope
from cortexscope.errors import CortexscopeError

__all__ = ["Stopped", "Verbs", "stoppable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The user, or the system, ends the program by a signal.

    No `KeyboardInterrupt`, which code of others may raise and which typer takes for its own.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.advice = ", and the same again does the rest"
        """How to go on."""

    @property
    def exit_code(self) -> int:
        """What shells give a program that a signal ended."""
        return 128 + self.number

    @property
    def sentence(self) -> str:
        """What to say of it."""
        how = "Interrupted" if self.number == signal.SIGINT else f"Ended by {self}"
        return f"{how}; what is finished is kept{self.advice}."


@contextlib.contextmanager
def stoppable(*, last: bool = False) -> Iterator[Callable[[int], None]]:
    """Raise `Stopped` in the block where a signal ends the program.

    Args:
        last: whether nothing but the end of the program follows, which a further signal hastens
            and does not interrupt with errors of the interpreter.

    Yields:
        What is told the exit code once all is done: a signal that comes later changes it no more.
    """
    done: int | None = None

    def ends_with(code: int) -> None:
        nonlocal done
        done = code

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    def hasten(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number if done is None else done)

    before = {}
    if threading.current_thread() is threading.main_thread():
        # One that is ignored from the start, as under nohup, stays so.
        before = {
            number: signal.signal(number, stop)
            for number in _SIGNALS
            if signal.getsignal(number) != signal.SIG_IGN
        }
    try:
        yield ends_with
    finally:
        for number, handler in before.items():
            signal.signal(number, hasten if last else handler)


class Verbs(TyperGroup):
    """The verbs; none of them ends the program by itself."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - of typer
        """Carry out a verb.

        Raises:
            CortexscopeError: if code of others, such as a plug-in's, wants to end the program.
        """
        try:
            return super().invoke(ctx)
        except (SystemExit, KeyboardInterrupt) as error:
            if isinstance(error.__context__, BrokenPipeError):
                # rich ends the program where the reader of its output has gone.
                raise error.__context__ from None
            said = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise CortexscopeError(
                f"{_culprit(error)} wants to end the program ({said}), which is not done; take "
                "that out of it. What is finished is kept."
            ) from error


def _culprit(error: BaseException) -> str:
    """Return file and line of the innermost step that is neither ours nor a library's."""
    paths = sysconfig.get_paths()
    ours = Path(cortexscope.__file__).parent
    installed = {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    steps = [
        step
        for step in traceback.extract_tb(error.__traceback__)
        if not (step.filename.startswith("<") or Path(step.filename).is_relative_to(ours))
    ]
    outside = [
        step
        for step in steps
        if not any(Path(step.filename).is_relative_to(folder) for folder in installed)
    ]
    for step in (outside or steps)[-1:]:
        return f"{step.filename}, line {step.lineno},"
    return "cortexscope itself"
