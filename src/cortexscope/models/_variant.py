"""The change that a reference asks for: said here, done by a room that stands above this one."""

from __future__ import annotations

import importlib
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from cortexscope.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from cortexscope.models._loading import Model

__all__ = ["Alteration", "alteration", "split_change"]

# A tilde is in no hub id and no version, a shell leaves one inside of a word alone, and that of a
# home folder is followed by no kind and colon.
_CHANGE = re.compile(r"(?<=.)~(?=[a-z]+:)")


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


def split_change(body: str) -> tuple[str, str | None]:
    """Return a reference without its change, and the change, None where there is none.

    Example:
        >>> split_change("demo-decoder~layers:12~weights:int4"), split_change("~/models/a~b")
        (('demo-decoder', 'layers:12~weights:int4'), ('~/models/a~b', None))
    """
    found = _CHANGE.search(body)
    return (body, None) if found is None else (body[: found.start()], body[found.end() :])


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
