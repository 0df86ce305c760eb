"""Text and numbers in the words of matplotlib and of plotly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from cortexscope.texts import shortened

__all__ = [
    "LABEL",
    "TICK",
    "as_list",
    "for_matplotlib",
    "for_plotly",
    "legend_entry",
    "points",
    "unlike",
]

LABEL = 40
"""Characters of a name beside a panel or in a legend."""
TICK = 26
"""Characters of a name below a panel."""


def for_matplotlib(text: str, limit: int = 90) -> str:
    """Return text that matplotlib shows as it is: a dollar sign would start a formula."""
    return shortened(text, limit).replace("$", r"\$")


def legend_entry(label: str) -> str:
    """Return a name in a legend; matplotlib leaves out those that begin with an underscore."""
    text = for_matplotlib(label, LABEL)
    return f" {text}" if text.startswith("_") else text


def points(size: float) -> float:
    """Return the size of a text, given for texts of 9 points, in those that matplotlib writes."""
    import matplotlib

    return size * float(matplotlib.rcParams["font.size"]) / 9.0


def for_plotly(text: str, limit: int = 90) -> str:
    """Return text that plotly shows as it is: it reads a few HTML tags in every text."""
    text = shortened(text, limit)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unlike(names: Sequence[str], limit: int) -> list[str]:
    """Return names of an axis for plotly, which puts equal ones into one place."""
    texts = [for_plotly(name, limit) for name in names]
    times = Counter(texts)
    return [
        text if times[text] == 1 else f"{text} [{number}]" for number, text in enumerate(texts, 1)
    ]


def as_list(values: Iterable[float]) -> list[float | None]:
    """Return numbers for JSON, which has none that is not finite."""
    return [float(value) if math.isfinite(value) else None for value in values]
