"""Colours, markers and dashes: one slot a model, told apart without seeing colour."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Look", "decimals_for", "look"]


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
