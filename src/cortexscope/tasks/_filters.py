"""What a template does with a value: how it stands in a text, and the filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time

__all__ = ["ARGUMENTS", "FILTERS", "Absent", "is_absent", "is_list", "kind_of", "written"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Absent(Exception):
    """A row lacks what a template reads; the message says what."""


def is_absent(value: object) -> bool:
    """Return whether a value is none: null, or a number that is not one."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def written(value: object) -> str:
    """Return a value as it stands in a text; a whole number has no decimals, even as a float.

    A list is joined, an item a line.

    Raises:
        Absent: if it is null, or of a kind that has no text.
    """
    if isinstance(value, str):
        return value
    if is_absent(value):
        raise Absent("it is null")
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if is_list(value):
        return _join(value)
    item = getattr(value, "item", None)  # numpy's numbers
    if callable(item):
        return written(item())
    raise Absent(f"{kind_of(value)} stands where text is needed")


def is_list(value: object) -> bool:
    """Return whether a value is a list of values, which a text is not."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def kind_of(value: object) -> str:
    """Return what a value is, in words."""
    if isinstance(value, Mapping):
        return "a mapping"
    if is_list(value):
        return "a list"
    if is_absent(value):
        return "null"
    return "text" if isinstance(value, str) else f"a value of type {type(value).__name__}"


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Absent(f"{kind_of(value)} stands where a list is needed")
    return value


def _letters(items: object, marks: object = None) -> str:
    """Return the items of a list, one a line behind its mark, `A. ` to `Z. ` by default."""
    texts = [written(item) for item in _list(items)]
    given = _LETTERS[: len(texts)] if marks is None else _list(marks)
    if len(given) != len(texts):
        raise Absent(f"there are {len(texts)} items and {len(given)} marks")
    return "\n".join(f"{written(mark)}. {text}" for mark, text in zip(given, texts, strict=True))


def _letter(number: object) -> str:
    """Return the letter of an item's number, counted from 0; a letter stays."""
    text = written(number).strip()
    if text.isdecimal() and int(text) < len(_LETTERS):
        return _LETTERS[int(text)]
    if len(text) == 1 and text.upper() in _LETTERS:
        return text.upper()
    raise Absent(f"{text[:40]!r} is no number from 0 to {len(_LETTERS) - 1}")


def _join(items: object, between: object = "\n") -> str:
    """Return the items of a list with something between them."""
    return written(between).join(written(item) for item in _list(items))


def _at(items: object, number: object, start: object = 0) -> object:
    """Return the item of a list with a number, which may be written as text, counted from start."""
    found, text, first = _list(items), written(number).strip(), written(start)
    place = int(text) - int(first) if text.isdecimal() and first.isdecimal() else -1
    if not 0 <= place < len(found):
        raise Absent(f"there is no item {text[:40]!r} in a list of {len(found)}")
    return found[place]


def _matching(items: object, keys: object, key: object) -> object:
    """Return the item of a list that stands where `key` stands in the list of keys."""
    names = [written(name) for name in _list(keys)]
    if written(key) not in names:
        raise Absent(f"there is no {written(key)!r} among {', '.join(names) or 'no keys'}")
    return _at(items, names.index(written(key)))


def _trim(text: object) -> str:
    """Return a text without white space at its ends."""
    return written(text).strip()


FILTERS: dict[str, Callable[..., object]] = {
    "at": _at,
    "join": _join,
    "letter": _letter,
    "letters": _letters,
    "matching": _matching,
    "trim": _trim,
}
"""What may follow a colon, by name."""

ARGUMENTS = {
    "at": (1, 2),
    "join": (0, 1),
    "letter": (0, 0),
    "letters": (0, 1),
    "matching": (2, 2),
    "trim": (0, 0),
}
"""The fewest and the most values that each filter takes in parentheses."""
