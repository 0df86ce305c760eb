"""Colours, markers and dashes: one slot a model, told apart without seeing colour."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CIVIDIS", "Look", "cividis", "decimals_for", "ink_on", "look"]


class Look(NamedTuple):
    """How one model is drawn, in the words of matplotlib and of plotly."""

    colour: str
    marker: str
    dash: tuple[float, ...]
    """Lengths of ink and gap in points; empty for a full line."""
    plotly_marker: str
    plotly_dash: str


# Okabe and Ito (2008), without black, which is lost on a dark page.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
CIVIDIS = (
    "#00224e", "#083370", "#35456c", "#4f576c", "#666970", "#7d7c78", "#948e77", "#aea371",
    "#c8b866", "#e5cf52", "#fee838",
)  # fmt: skip
"""Eleven evenly spaced colours of a scale for everyone (Nunez, Anderton and Renslow 2018)."""
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
_PLOTLY_MARKERS = ("circle", "triangle-up", "square", "diamond", "triangle-down", "cross", "x")
_DASHES = ((), (5.0, 1.6), (1.4, 1.4), (6.0, 1.6, 1.4, 1.6), (9.0, 2.0), (3.0, 1.2), (2.0, 3.0))
_PLOTLY_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "5px,2px", "2px,4px")


def look(slot: int) -> Look:
    """Return how the model in a slot is drawn; after seven colours come again, with other marks."""
    count = len(_COLOURS)
    mark = (slot + slot // count) % count
    return Look(
        _COLOURS[slot % count],
        _MARKERS[mark],
        _DASHES[mark],
        _PLOTLY_MARKERS[mark],
        _PLOTLY_DASHES[mark],
    )


def cividis(place: float) -> str:
    """Return a colour of cividis, from 0 to 1: its lightness rises evenly, so it reads in grey.

    Interpolated between those of `CIVIDIS`.

    Example:
        >>> cividis(-1.0), cividis(0.05), cividis(1.0)
        ('#00224e', '#042a5f', '#fee838')
    """
    at = min(1.0, max(0.0, place)) * (len(CIVIDIS) - 1)
    first = min(int(at), len(CIVIDIS) - 2)
    ends = (CIVIDIS[first], CIVIDIS[first + 1])
    parts = [[int(own[start : start + 2], 16) for start in (1, 3, 5)] for own in ends]
    share = at - first
    mixed = [round(one + share * (two - one)) for one, two in zip(*parts, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def ink_on(colour: str) -> str:
    """Return black or white, whichever is read more easily on a colour: 4.5 to 1 or better.

    By the relative luminance of WCAG 2.2.

    Example:
        >>> ink_on("#00224e"), ink_on("#fee838")
        ('#ffffff', '#000000')
    """
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


def decimals_for(largest: float) -> int:
    """Return how many decimals show three digits of the largest value of a panel.

    Example:
        >>> decimals_for(195.6), decimals_for(0.41)
        (0, 3)
    """
    return (
        0
        if largest >= 100
        else 1
        if largest >= 10
        else 2
        if largest >= 1
        else 3
        if largest >= 0.1
        else 4
    )
