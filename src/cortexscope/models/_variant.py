"""The change that a reference asks for: said here, done by a room that stands above this one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from cortexscope.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from cortexscope.models._loading import Model

__all__ = ["Alteration", "alteration", "split_change"]

# A tilde is in no hub id and no version, a shell leaves one inside of a word alone, and that of a
# home folder is followed by no kind and colon.
_CHANGE = re.compile(r"(?<=.)~(?=[a-z]+:)")


@runtime_checkable
class Alteration(Protocol):
    """What is changed of a model; its text says all of it."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decide what it does."""

    def check(self, model: nn.Module | Model) -> None:
        """Do nothing where it can be done; weights need not be there.

        Raises:
            UsageError: if it cannot.
        """

    def install(self, model: nn.Module | Model, exits: ExitStack) -> None:
        """Do it; closing the exits would take it back."""


def split_change(body: str, is_there: Callable[[str], bool]) -> tuple[str, str | None]:
    """Return a reference without its change, and the change, None where there is none.

    Args:
        body: the reference without its label.
        is_there: whether something is a path that exists; such a one is no change.

    Example:
        >>> split_change("demo-decoder~layers:12~weights:int4", lambda path: False)
        ('demo-decoder', 'layers:12~weights:int4')
        >>> split_change("~/models/a~b", lambda path: False)
        ('~/models/a~b', None)
    """
    cuts = [(body[: cut.start()], body[cut.end() :]) for cut in _CHANGE.finditer(body)]
    # A folder may have the same in its name.
    there = (cut for cut in reversed(cuts) if is_there(cut[0]))
    return next(there, cuts[0] if cuts else (body, None))


def alteration(text: str) -> Alteration:
    """Return what a change's text means; `str` of it is the one text for it.

    Raises:
        UsageError: if it means nothing.
    """
    # Changes are made of what is below them, this room too, so they are looked up by name.
    room = importlib.import_module("cortexscope.interventions")
    try:
        return cast("Alteration", room.Change.of(text))
    except UsageError as error:
        raise type(error)(f"The change {text!r} cannot be read: {error}") from error
