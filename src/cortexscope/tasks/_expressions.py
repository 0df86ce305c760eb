"""Expressions that read a column of a row, pass it through filters, and can do nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cortexscope.errors import UsageError
from cortexscope.registry import suggestion
from cortexscope.tasks._filters import ARGUMENTS, FILTERS, Absent, is_list, kind_of

__all__ = ["Expression"]


class _Token(NamedTuple):
    kind: str
    text: str


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>[][(),|:])"""
    r"""|(?P<name>[^][(),|:"'\s](?:[^][(),|:]*[^][(),|:\s])?))\s*"""
)


@dataclass(frozen=True, slots=True)
class _Path:
    """A column, or what lies in it by keys and numbers of items."""

    name: str

    def of(self, row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever a row holds
        """Return the value; a column named like the whole path comes before its parts."""
        if self.name in row:
            return row[self.name]
        found: Any = row
        trail = ""
        for part in self.name.split("."):
            trail, before = f"{trail}.{part}" if trail else part, trail
            if isinstance(found, Mapping):
                if part not in found:
                    raise Absent(f"there is no {trail!r}")
                found = found[part]
            elif is_list(found) and part.isdecimal():
                if int(part) >= len(found):
                    raise Absent(f"there is no item {part} in the {len(found)} of {before!r}")
                found = found[int(part)]
            else:
                raise Absent(f"{before!r} is {kind_of(found)}, which has no part {part!r}")
        return found

    def paths(self) -> frozenset[str]:
        return frozenset({self.name})


@dataclass(frozen=True, slots=True)
class _Literal:
    value: str | int

    def of(self, row: Mapping[str, Any]) -> str | int:
        return self.value

    def paths(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class _Several:
    items: tuple[_Path | _Literal, ...]

    def of(self, row: Mapping[str, Any]) -> list[Any]:
        return [item.of(row) for item in self.items]

    def paths(self) -> frozenset[str]:
        return frozenset().union(*(item.paths() for item in self.items))


class _Step(NamedTuple):
    name: str
    given: tuple[_Path | _Literal, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    r"""A column of a row and what is done with it, such as `choices:letters` or `doc.question`.

    Keys and numbers of items follow a dot, filters a colon, further ones a bar; several columns in
    square brackets make a list. Nothing but columns and filters can be named.

    Example:
        >>> Expression.parse("choices.text:letters").of({"choices": {"text": ["ice", "fire"]}})
        'A. ice\nB. fire'
        >>> Expression.parse("[a, b]:at(answer, 1)").of({"a": "x", "b": "y", "answer": "2"})
        'y'
    """

    source: str
    start: _Path | _Several
    steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, source: str) -> Expression:
        """Return what a text asks for.

        Raises:
            UsageError: if it is none; the message says where.
        """
        return _Parser(source).expression()

    def of(self, row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever a row holds
        """Return the value in a row, as it is where there are no filters.

        Raises:
            Absent: if it is missing, or of another kind than a filter needs.
        """
        if self.source in row:
            return row[self.source]
        value = self.start.of(row)
        for step in self.steps:
            value = FILTERS[step.name](value, *(one.of(row) for one in step.given))
        return value

    def paths(self) -> frozenset[str]:
        """Return what it reads, columns with what lies in them behind dots."""
        own = (one.paths() for step in self.steps for one in step.given)
        return self.start.paths().union(*own)

    def columns(self, known: Collection[str]) -> frozenset[str]:
        """Return which of the known columns it reads."""
        if self.source in known:
            return frozenset({self.source})
        return frozenset(
            path if path in known else path.partition(".")[0] for path in self.paths()
        ).intersection(known)

    def missing(self, known: Collection[str]) -> list[str]:
        """Return which columns it reads that are not among those known."""
        if self.source in known:
            return []
        roots = {path.partition(".")[0] for path in self.paths() if path not in known}
        return sorted(roots.difference(known))


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source.strip()
        self.tokens: list[_Token] = []
        at = 0
        while at < len(self.source):
            match = _TOKEN.match(self.source, at)
            if match is None:
                raise self._wrong(f"nothing can be read from {self.source[at : at + 20]!r} on")
            self.tokens.append(_Token(str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self.at = 0

    def expression(self) -> Expression:
        start = self._several() if self._take("[") else self._path()
        steps: list[_Step] = []
        while self.at < len(self.tokens):
            if not self._take(":" if not steps else "|"):
                raise self._wrong(f"{self.tokens[self.at].text!r} stands where it should end")
            steps.append(self._step())
        return Expression(self.source, start, tuple(steps))

    def _several(self) -> _Several:
        items = [self._value()]
        while self._take(","):
            items.append(self._value())
        if not self._take("]"):
            raise self._wrong("its '[' is never closed")
        return _Several(tuple(items))

    def _path(self) -> _Path:
        token = self._next("the name of a column")
        if token.kind == "mark":
            raise self._wrong(f"{token.text!r} stands where the name of a column is needed")
        return _Path(_unquoted(token))

    def _value(self) -> _Path | _Literal:
        token = self._next("a column or a value")
        if token.kind == "mark":
            raise self._wrong(f"{token.text!r} stands where a column or a value is needed")
        if token.kind == "string":
            return _Literal(_unquoted(token))
        return _Literal(int(token.text)) if token.text.isdecimal() else _Path(token.text)

    def _step(self) -> _Step:
        name = self._next("a filter").text
        if name not in FILTERS:
            known = suggestion(name, FILTERS)
            raise self._wrong(f"there is no filter {name!r}, {known.rstrip('.?')}")
        given: list[_Path | _Literal] = []
        if self._take("("):
            given.append(self._value())
            while self._take(","):
                given.append(self._value())
            if not self._take(")"):
                raise self._wrong("its '(' is never closed")
        least, most = ARGUMENTS[name]
        if not least <= len(given) <= most:
            many = f"{least}" if least == most else f"{least} to {most}"
            raise self._wrong(f"the filter {name!r} takes {many} values and has {len(given)}")
        return _Step(name, tuple(given))

    def _take(self, mark: str) -> bool:
        there = self.at < len(self.tokens) and self.tokens[self.at] == _Token("mark", mark)
        self.at += there
        return there

    def _next(self, wanted: str) -> _Token:
        if self.at >= len(self.tokens):
            raise self._wrong(f"{wanted} is missing")
        self.at += 1
        return self.tokens[self.at - 1]

    def _wrong(self, why: str) -> UsageError:
        return UsageError(
            f"{{{self.source}}} cannot be read: {why}; write a column, such as {{question}}, "
            "{answer.text} or {choices:letters}, and put a name that holds marks in double quotes."
        )


def _unquoted(token: _Token) -> str:
    if token.kind != "string":
        return token.text
    plain = {"n": "\n", "t": "\t"}
    return re.sub(r"\\(.)", lambda found: plain.get(found[1], found[1]), token.text[1:-1])
