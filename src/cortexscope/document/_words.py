"""Text of a document: pieces that are marked, or lead to another place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cortexscope.texts import plain

__all__ = ["Mark", "Span", "Tone", "Words", "read_aloud"]

Tone = Literal["", "good", "half", "bad", "open"]
"""What a reader should feel: fine, in part, wrong, not known."""

Mark = Literal["", "strong", "small", "code", "badge"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text that is marked, or leads to another place of the document."""

    text: str
    mark: Mark = ""
    tone: Tone = ""
    to: str = ""
    """Key of a section, `table-KEY` or `figure-KEY`; nowhere if empty."""


Words = str | tuple[str | Span, ...]
"""Text of others is safe in it: every format shows it as text, whatever it holds."""


def read_aloud(words: Words) -> str:
    """Return words without marks, on one line.

    Example:
        >>> read_aloud(("The mean ", Span("holds", "badge", "good"), "."))
        'The mean holds.'
    """
    pieces = (words,) if isinstance(words, str) else words
    return "".join(plain(piece if isinstance(piece, str) else piece.text) for piece in pieces)
