"""Turn the row of a data set into a text: templates that can read columns and do nothing else."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["Absent", "Template"]


class Absent(Exception):
    """A row lacks what a template reads; the message says what."""


@dataclass(frozen=True, slots=True)
class Template:
    r"""A Jinja template on the columns of a row, without globals and with six filters of its own.

    Example:
        >>> template = Template("{{ question }}\n{{ choices | options }}")
        >>> sorted(template.columns())
        ['choices', 'question']
        >>> print(template.render({"question": "Warm or cold?", "choices": ["fire", "ice"]}))
        Warm or cold?
        A. fire
        B. ice
    """

    source: str

    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it reads."""
        return frozenset(jinja2.meta.find_undeclared_variables(_environment().parse(self.source)))

    def render(self, row: Mapping[str, object]) -> str:
        """Return the text of a row.

        Raises:
            Absent: if a value that it reads is missing, null, or of another kind than is needed.
        """
        try:
            return _compiled(self.source).render(row)
        except jinja2.TemplateError as error:
            raise Absent(str(error.message or error).rstrip(".")) from error


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, finalize=_written, autoescape=False
    )
    made.globals.clear()
    made.tests.clear()
    made.filters.clear()
    made.filters.update(
        at=_at, first=_first, lines=_lines, matching=_matching, options=_options, trim=_trim
    )
    return made


@functools.cache
def _compiled(source: str) -> jinja2.Template:
    return _environment().from_string(source)


def _written(value: object) -> str:
    """Return a value as it stands in a text; a whole number has no decimals, even as a float."""
    if isinstance(value, jinja2.Undefined):
        return str(value)  # which raises, and says what is undefined
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise Absent("a value is null")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise Absent(f"{_kind(value)} stands where text is needed")


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    return "text" if isinstance(value, str) else f"a value of type {type(value).__name__}"


def _list(value: object) -> Sequence[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        if value is None or isinstance(value, jinja2.Undefined):
            _written(value)
        raise Absent(f"{_kind(value)} stands where a list is needed")
    return value


def _lines(items: object) -> str:
    """Return the items of a list, one a line."""
    return "\n".join(_written(item) for item in _list(items))


def _options(items: object, marks: object = None) -> str:
    """Return the items of a list, one a line behind its mark, `A. ` to `Z. ` by default."""
    texts = [_written(item) for item in _list(items)]
    given = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(texts)] if marks is None else _list(marks)
    if len(given) != len(texts):
        raise Absent(f"there are {len(texts)} options and {len(given)} marks")
    return "\n".join(f"{_written(mark)}. {text}" for mark, text in zip(given, texts, strict=True))


def _first(items: object) -> object:
    """Return the first item of a list."""
    return _at(items, 0)


def _at(items: object, number: object, start: int = 0) -> object:
    """Return the item of a list with a number, which may be written as text, counted from start."""
    found, text = _list(items), _written(number).strip()
    place = int(text) - start if text.isdecimal() else -1
    if not 0 <= place < len(found):
        raise Absent(f"there is no item {text!r} in a list of {len(found)}")
    return found[place]


def _matching(items: object, keys: object, key: object) -> object:
    """Return the item of a list that stands where `key` stands in the list of keys."""
    names = [_written(name) for name in _list(keys)]
    if _written(key) not in names:
        raise Absent(f"there is no {_written(key)!r} among {', '.join(names) or 'no keys'}")
    return _at(items, names.index(_written(key)))


def _trim(text: object) -> str:
    """Return a text without white space at its ends."""
    return _written(text).strip()
