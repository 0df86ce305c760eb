"""An audit's numbers and texts as a reader sees them, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cortexscope.audit._records import VERDICTS, Audit, Judged, Quantity, Rank, Verdict
from cortexscope.audit._words import listed

__all__ = [
    "ALWAYS",
    "PLAIN",
    "Tally",
    "found_text",
    "interval_text",
    "notable",
    "plain",
    "rank_text",
    "tallies",
    "wrong_text",
]

UNDEFINED = "–"
PLAIN: tuple[Verdict, ...] = ("holds", "cannot be checked")
"""Verdicts that need no second look; the others stand out."""
ALWAYS = (*PLAIN, "contradicted")
"""Verdicts that are counted though there may be none."""


class Tally(NamedTuple):
    """How many claims have each verdict from one source."""

    source: str
    counts: dict[Verdict, int]


def tallies(audit: Audit) -> list[Tally]:
    """Return the first screen's counts, a source each."""
    counts = {
        source: {verdict: audit.count(source, verdict) for verdict in VERDICTS}
        for source in audit.sources
    }
    used = [v for v in VERDICTS if v in ALWAYS or any(own[v] for own in counts.values())]
    return [
        Tally(source, {verdict: own[verdict] for verdict in used}) for source, own in counts.items()
    ]


def notable(audit: Audit) -> Iterator[Judged]:
    """Yield the claims that do not simply hold by some source."""
    for claim in audit.claims:
        if any(check.verdict not in PLAIN for check in claim.checks):
            yield claim


def rank_text(rank: Rank) -> str:
    """Return a place in one model or task.

    Example:
        >>> rank_text(Rank("BERT-Base", 1, 2, 12, ("logical puzzles",)))
        'BERT-Base 1-2 (ties with logical puzzles)'
        >>> rank_text(Rank("GPT2-117M", 8, 8, 12))
        'GPT2-117M 8'
    """
    places = f"{rank.first}" if rank.first == rank.last else f"{rank.first}-{rank.last}"
    return f"{rank.where} {places}" + (f" (ties with {listed(rank.tied)})" if rank.tied else "")


def found_text(quantity: Quantity) -> str:
    """Return what was found, with its unit.

    Example:
        >>> found_text(Quantity("entropy", None, 195.6568, unit="nats"))
        '195.657 nats'
        >>> found_text(Quantity("entropy", "1", None))
        '–'
    """
    found = quantity.found
    if found is None:
        return UNDEFINED
    text = f"{found:.6g}" if isinstance(found, float) else str(found)
    return f"{text} {quantity.unit}".rstrip()


def interval_text(quantity: Quantity) -> str:
    """Return the 95 % interval; empty where there is none."""
    if quantity.low is None or quantity.high is None:
        return ""
    return f"{quantity.low:.4g} to {quantity.high:.4g}"


def wrong_text(audit: Audit) -> str:
    """Return how many figures are wrong, of how many; empty without a file of tables."""
    if not audit.figures:
        return ""
    wrong = len(audit.wrong)
    named = (
        "No figure is wrong"
        if not wrong
        else f"{wrong} figure{'s are' if wrong > 1 else ' is'} wrong"
    )
    return f"{named}, of {audit.figures} recomputed or compared."


def plain(text: str) -> str:
    r"""Return the text on one line, with a space for every character that cannot be printed.

    Example:
        >>> plain("a\x1b[31m\nb")
        'a [31m b'
    """
    return "".join(c if c.isprintable() else " " for c in text)
