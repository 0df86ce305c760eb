"""Turn a row into a text: templates, whose expressions read columns and do nothing else."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cortexscope.errors import UsageError
from cortexscope.tasks._expressions import Expression
from cortexscope.tasks._filters import Absent, written

__all__ = ["Template"]


@dataclass(frozen=True, slots=True)
class Template:
    r"""A text with expressions in braces; a brace of the text is doubled.

    Example:
        >>> template = Template("{question}\n{choices:letters}")
        >>> print(template.render({"question": "Warm or cold?", "choices": ["fire", "ice"]}))
        Warm or cold?
        A. fire
        B. ice
    """

    source: str

    def parts(self) -> tuple[str | Expression, ...]:
        """Return its texts and expressions in order.

        Raises:
            UsageError: if a brace is open, or what stands in braces is no expression.
        """
        return _parts(self.source)

    def expressions(self) -> list[Expression]:
        """Return its expressions in order."""
        return [part for part in self.parts() if isinstance(part, Expression)]

    def render(self, row: Mapping[str, Any]) -> str:
        """Return the text of a row.

        Raises:
            Absent: if a value that it reads is missing, null, or of another kind than is needed.
        """
        return "".join(
            part if isinstance(part, str) else _named(part, row) for part in self.parts()
        )


def _named(part: Expression, row: Mapping[str, Any]) -> str:
    try:
        return written(part.of(row))
    except Absent as error:
        raise Absent(f"{{{part.source}}}: {error}") from error


@functools.lru_cache(maxsize=256)
def _parts(source: str) -> tuple[str | Expression, ...]:
    return tuple(_split(source))


def _split(source: str) -> Iterator[str | Expression]:
    text, at = "", 0
    while at < len(source):
        mark = source[at]
        if source[at : at + 2] in ("{{", "}}"):
            text, at = text + mark, at + 2
        elif mark == "}":
            raise UsageError(
                f"The template has a '}}' at character {at + 1} and no '{{' before it; write "
                "'}}' for a brace of the text."
            )
        elif mark == "{":
            end = source.find("}", at)
            if end < 0:
                raise UsageError(
                    f"The template's '{{' at character {at + 1} is never closed; close it, or "
                    "write '{{' for a brace of the text."
                )
            if text:
                yield text
            yield Expression.parse(source[at + 1 : end])
            text, at = "", end + 1
        else:
            text, at = text + mark, at + 1
    if text:
        yield text
