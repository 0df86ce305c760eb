"""Columns of the user's own: which of them are kept, and of what type their values are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, time
from typing import Any

from cortexscope.errors import SuiteError
from cortexscope.records import Attribute, Prompt
from cortexscope.tasks._filters import is_absent, kind_of, written

__all__ = ["Attributes", "is_scalar", "settled"]

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


def settled(prompts: list[Prompt], *, asked: Collection[str], typed: bool) -> set[str]:
    """Give all prompts the same attributes, each of one type, in place; return their names.

    A column is of whole numbers where all values are, of numbers where all are numbers, of truth
    values where all are; else it is text. Texts of which one is longer than 120 characters, and
    columns without a value, are left out unless they were asked for.

    Args:
        prompts: with values as they were read.
        asked: the names that the user named.
        typed: whether what is text stays text, even if it could be a number.

    Raises:
        SuiteError: if a column that was named holds lists or mappings.
    """
    names = dict.fromkeys(name for prompt in prompts for name in prompt.attributes)
    if not names:
        return set()
    types: dict[str, Callable[[Any], Attribute]] = {}
    for name in names:
        values = (_plain(prompt.attributes.get(name), name) for prompt in prompts)
        kind = _type_of((value for value in values if value is not None), typed=typed)
        if kind is not None or name in asked:
            types[name] = kind or written
    kept = tuple(types)
    for place, prompt in enumerate(prompts):
        own = (_plain(prompt.attributes.get(name), name) for name in kept)
        cast = tuple(
            None if v is None else to(v) for v, to in zip(own, types.values(), strict=True)
        )
        prompts[place] = replace(prompt, attributes=Attributes(kept, cast))
    return set(kept)


def _plain(value: Any, name: str) -> Any:  # noqa: ANN401 - a value as it was read
    if isinstance(value, str):
        return value if value.strip() else None
    if is_absent(value):
        return None
    if not is_scalar(value):
        raise SuiteError(
            f"The column {name!r} holds {kind_of(value)}; name a value in it, such as "
            f"{name}={name}.0, or leave it out."
        )
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date | time) else value


def _type_of(values: Iterable[Any], *, typed: bool) -> Callable[[Any], Attribute] | None:
    """Return what makes values of one type of all, None where they are none or texts."""
    kinds: set[type] = set()
    for value in values:
        kind = type(value)
        if kind is str:
            if len(value) > _LONGEST:
                return None
            if not typed:
                kind = _meant(value)
        elif kind is int and abs(value) >= _LARGEST:
            kind = float
        kinds.add(kind)
    if not kinds:
        return None
    if kinds == {bool}:
        return _truth
    if kinds == {int}:
        return int
    return float if kinds <= {int, float} else written


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
