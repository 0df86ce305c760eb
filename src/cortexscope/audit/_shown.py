"""An audit's numbers and texts as a reader sees them, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cortexscope.audit._records import Audit, Judged, Quantity, Verdict

__all__ = ["Tally", "found_text", "interval_text", "notable", "plain", "tallies", "wrong_text"]

UNDEFINED = "–"


class Tally(NamedTuple):
    """How many claims have each verdict from one source."""

    source: str
    counts: dict[Verdict, int]


def tallies(audit: Audit) -> list[Tally]:
    """Return the first screen's counts, a source each."""
    verdicts: tuple[Verdict, ...] = (
        "holds",
        "holds only raw",
        "contradicted",
        "cannot be checked",
    )
    return [
        Tally(source, {verdict: audit.count(source, verdict) for verdict in verdicts})
        for source in audit.sources
    ]


def notable(audit: Audit) -> Iterator[Judged]:
    """Yield the claims that some source contradicts, or that hold only raw."""
    for claim in audit.claims:
        if any(check.verdict in ("contradicted", "holds only raw") for check in claim.checks):
            yield claim


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
