"""Columns of the user's own: which of them are kept, and of what type their values are."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, time
from typing import Any

from cortexscope.records import Attribute, Prompt
from cortexscope.tasks._filters import is_absent, written

__all__ = ["Attributes", "Kinds", "Types", "cast", "is_scalar"]

Types = Mapping[str, Callable[[Any], Attribute]]
"""What makes a value of one type, by the name of its column."""

_LONGEST = 120
"""Characters of a value that still tells groups of prompts apart, as a text does not."""
_WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d+)?")
_TRUTH = {"true": True, "false": False}
_LARGEST = 2**63
"""Above which a whole number has no place in a column of them."""


class Attributes(Mapping[str, Any]):
    """A mapping whose names many prompts share: of a million, it saves the half of a gigabyte."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - as it was read, or an `Attribute`
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


def is_scalar(value: object) -> bool:
    """Return whether a value is one text, number, truth value or date, or none."""
    if value is None or isinstance(value, str | int | float | date | time):
        return True
    return hasattr(value, "item") and getattr(value, "ndim", 0) == 0  # numpy's


class Kinds:
    """Of what types the values of each column are, as prompts come.

    A column is of whole numbers where all values are, of numbers where all are numbers, of truth
    values where all are; else it is text. Texts of which one is longer than 120 characters, and
    columns without a value, are left out unless they were asked for.
    """

    def __init__(self) -> None:
        self._found: dict[str, set[type]] = {}

    def add(self, prompt: Prompt, *, typed: bool) -> None:
        """Look at a prompt's values as they were read.

        Args:
            prompt: whose they are.
            typed: whether its format tells numbers from text, so that text stays text.
        """
        for name, raw in prompt.attributes.items():
            found = self._found.setdefault(name, set())
            value = _plain(raw)
            if value is not None:
                found.add(_kind_of(value, typed=typed))

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they came."""
        return list(self._found)

    def types(self, asked: Collection[str]) -> Types:
        """Return what makes the values of each column of one type.

        Args:
            asked: the names that the user named.
        """
        return {
            name: _made(found)
            for name, found in self._found.items()
            if name in asked or (found and _Long not in found)
        }


def cast(prompt: Prompt, types: Types) -> Prompt:
    """Return a prompt with a value, or none, in each of the columns, and in no others."""
    if not types and not prompt.attributes:
        return prompt
    own = (_plain(prompt.attributes.get(name)) for name in types)
    values = (None if v is None else to(v) for v, to in zip(own, types.values(), strict=True))
    return replace(prompt, attributes=Attributes(tuple(types), tuple(values)))


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value as it was read
    if isinstance(value, str):
        return value if value.strip() else None
    if is_absent(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date | time) else value


class _Long(str):
    """Stands for the type of a text that is too long to tell groups apart."""


def _kind_of(value: Any, *, typed: bool) -> type:  # noqa: ANN401 - a value as it was read
    if isinstance(value, str):
        if len(value) > _LONGEST:
            return _Long
        return str if typed else _meant(value)
    if type(value) is int and abs(value) >= _LARGEST:
        return float if abs(value) <= sys.float_info.max else str
    return type(value)


def _made(kinds: set[type]) -> Callable[[Any], Attribute]:
    if kinds == {bool}:
        return _truth
    if kinds == {int}:
        return int
    return float if kinds and kinds <= {int, float} else written


def _meant(text: str) -> type:
    text = text.strip()
    if text.lower() in _TRUTH:
        return bool
    if _WHOLE.fullmatch(text):
        return int
    number = _NUMBER.fullmatch(text) and any(mark.isdigit() for mark in text)
    return float if number and math.isfinite(float(text)) else str


def _truth(value: str | bool) -> bool:
    return _TRUTH[value.strip().lower()] if isinstance(value, str) else value
