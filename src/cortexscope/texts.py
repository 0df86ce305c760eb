"""Text as a terminal, a page or a message can show it."""

from __future__ import annotations

__all__ = ["plain", "plain_lines", "said_count", "shortened"]

_JOINERS = "\u200c\u200d"
"""Invisible, but part of words in Persian and in the scripts of India, and of emoji."""


def plain(text: str) -> str:
    r"""Return the text on one line, with a space for every character that cannot be printed.

    So it cannot steer a terminal: neither by escape sequences nor by turning the line around.

    Example:
        >>> plain("a\x1b[31m\nb")
        'a [31m b'
    """
    # Nearly every text can be, and is looked at many times faster as a whole.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)


def plain_lines(text: str) -> str:
    r"""Return the text with its lines and without any other character that cannot be printed.

    Example:
        >>> plain_lines("a\x1b[31m\n\tb")
        'a [31m\n        b'
    """
    return "\n".join(plain(line.expandtabs()) for line in text.split("\n"))


def shortened(text: str, limit: int) -> str:
    """Return the text on one line, its middle left out, at most `limit` characters long.

    Example:
        >>> shortened("a-very-long-model-label", 11)
        'a-ver…label'
    """
    text = plain(text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]


def said_count(number: int) -> str:
    """Return a large number, such as of parameters, as people say it.

    Example:
        >>> said_count(134515008), said_count(576)
        ('134.5M', '576')
    """
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)
