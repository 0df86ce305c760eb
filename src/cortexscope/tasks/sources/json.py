"""JSON: one object a line, an array of objects, or an object that holds one such array."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cortexscope.errors import SuiteError
from cortexscope.tasks.sources._options import ReadOptions
from cortexscope.tasks.sources._source import LONGEST, Raw, Source

__all__ = ["rows"]

_LINES = (".jsonl", ".ndjson")
_LARGEST = 2**27
"""Characters of an object that holds all rows, which is read at once."""


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the objects of a JSON file; a string is a prompt without anything beside it.

    Raises:
        SuiteError: if what is around the objects is not JSON.
    """
    head = next(piece for piece in source.chunks() if not piece.isspace()).lstrip()
    first, _, more = head.partition("\n")
    if head.startswith("["):
        yield from _of_array(source)
    elif (
        options.format == "jsonl"
        or source.path.suffix.lower() in _LINES
        or (more.strip() and _is_whole(first))
    ):
        yield from _of_lines(source)
    else:
        yield from _of_object(source)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _of_lines(source: Source) -> Iterator[Raw]:
    for number, line in enumerate(source.lines(ends="\n"), start=1):
        if not line.strip():
            continue
        try:
            content = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            yield Raw(number, {}, f"this is not JSON ({_why(error)}); write one object a line")
        else:
            yield _row(number, content)


def _of_array(source: Source) -> Iterator[Raw]:
    """Yield the items of an array, of which no more than one is held at a time."""
    text = _Text(source)
    text.expect("[")
    if text.peek() == "]":
        return
    for number in itertools.count(1):
        yield _row(number, text.value())
        if text.peek() == "]":
            return
        text.expect(",")


class _Text:
    """A text of which only what is not yet read is kept."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pieces = source.chunks()
        self.kept = ""
        self.line = 1

    def peek(self) -> str:
        """Return the next character that is no white space."""
        while True:
            bare = self.kept.lstrip()
            self._pass(len(self.kept) - len(bare))
            if bare:
                return bare[0]
            if not self._more():
                raise self._wrong("it ends before its last ']'")

    def expect(self, mark: str) -> None:
        found = self.peek()
        if found != mark:
            raise self._wrong(f"{found!r} stands where {mark!r} is needed")
        self._pass(1)

    def value(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the value that comes next."""
        self.peek()
        while True:
            try:
                content, end = _DECODER.raw_decode(self.kept)
            except RecursionError as error:
                raise self._wrong(_why(error)) from error
            except ValueError as error:
                # A value that is cut where the text in hand ends needs more of it.
                if not self._more():
                    raise self._wrong(_why(error)) from error
                continue
            if end < len(self.kept) or not self._more():
                self._pass(end)
                return content

    def _pass(self, count: int) -> None:
        self.line += self.kept.count("\n", 0, count)
        self.kept = self.kept[count:]

    def _more(self) -> bool:
        piece = next(self.pieces, "")
        self.kept += piece
        if len(self.kept) > LONGEST:
            raise self._wrong(f"an item is longer than {LONGEST:,} characters")
        return bool(piece)

    def _wrong(self, why: str) -> SuiteError:
        return SuiteError(
            f"{self.source.place(self.line)}: this is not JSON ({why}); mend the array, or write "
            "one object a line."
        )


def _of_object(source: Source) -> Iterator[Raw]:
    """Yield the rows of the only array of objects in an object, or the object as the only row."""
    size, pieces = 0, []
    for piece in source.chunks():
        size += len(piece)
        if size > _LARGEST:
            raise SuiteError(
                f"{source.shown} is one object of more than {_LARGEST:,} characters; write one "
                "object a line, or an array."
            )
        pieces.append(piece)
    try:
        content = _DECODER.decode("".join(pieces))
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":
            yield from _of_lines(source)
            return
        line = getattr(error, "lineno", 1)
        raise SuiteError(
            f"{source.place(line)}: this is not JSON ({_why(error)}); write an array of objects, "
            "or one object a line."
        ) from error
    if not isinstance(content, dict):
        yield _row(1, content)
        return
    held = [
        value
        for value in content.values()
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
    ]
    # A conversation is an array of objects too, and is a row of its own.
    talk = any(isinstance(content.get(key), list) for key in ("messages", "conversations"))
    if len(held) == 1 and not talk:
        yield from (_row(number, item) for number, item in enumerate(held[0], start=1))
    else:
        yield _row(1, content)


def _row(line: int, content: object) -> Raw:
    if isinstance(content, str):
        return Raw(line, {"text": content})
    if isinstance(content, dict):
        return Raw(line, content)
    shown = json.dumps(content)[:40]
    return Raw(line, {}, f"{shown} is not a JSON object; write one with the text in it in braces")


class _Twice(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = next(key for key, count in times.items() if count > 1)
        raise _Twice(f"the key {twice!r} comes twice")
    return content


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return str(error) if isinstance(error, _Twice) else "it cannot be decoded"
