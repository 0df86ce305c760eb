"""What an audit found at a glance, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from cortexscope.audit._records import ALWAYS, PLAIN, VERDICTS, Audit, Judged, WrongFigure
from cortexscope.audit._words import counted
from cortexscope.document import Block, Column, Document, Items, Part, Prose, Table, Words

__all__ = ["first_screen", "line", "wrong_text"]

# How many ways of being wrong are shown, and how many figures of one.
_SHOWN = 10
_MANY = 4


def first_screen(audit: Audit) -> str:
    """Return what an audit found at a glance, as plain text."""
    from cortexscope.document.formats.terminal import render

    rows = [
        (verdict, *counts)
        for verdict in VERDICTS
        if any(counts := [audit.count(source, verdict) for source in audit.sources])
        or verdict in ALWAYS
    ]
    columns: list[Column | str] = [
        "claims",
        *(Column(source, "integer") for source in audit.sources),
    ]
    blocks: list[Block] = [
        line(f"{len(audit.claims)} claims of the study, by what they are checked against:"),
        Table("claims", "", (Part.of(columns, rows),)),
        *(Items((_in_short(claim),)) for claim in audit.notable),
    ]
    if audit.figures:
        blocks.append(Items(((line(wrong_text(audit)), *map(line, _few_wrong(audit))),)))
    return render(Document("", (), lead=tuple(blocks)), width=100).rstrip("\n")


def _in_short(claim: Judged) -> tuple[Block, ...]:
    blocks: list[Block] = [line(claim.words)]
    for check in claim.checks:
        if check.verdict not in PLAIN:
            said = "" if check.readings else f": {check.sentence}"
            own = [line(f"{check.verdict}, {check.against}{said}")]
            own += [
                line(f"{reading.words}: {reading.check.verdict}. {reading.check.sentence}")
                for reading in check.readings
            ]
            blocks.append(Items((tuple(own),)))
    return tuple(blocks)


def line(words: Words) -> Prose:
    """Return a paragraph of its own."""
    return Prose((words,))


def _few_wrong(audit: Audit) -> Iterator[str]:
    """Yield a line a wrong figure, and one for many of a table that are wrong in one way."""
    kinds: dict[tuple[str, str], list[WrongFigure]] = {}
    for figure in audit.wrong:
        kinds.setdefault((figure.table, figure.why), []).append(figure)
    for count, own in enumerate(kinds.values()):
        if count == _SHOWN:
            yield f"and {sum(map(len, list(kinds.values())[count:]))} more, in the files written"
            return
        for figure in own if len(own) <= _MANY else own[:1]:
            where = ", ".join(filter(None, (figure.table, figure.part, figure.row, figure.column)))
            more = "" if len(own) <= _MANY else f", and {len(own) - 1} more like it: {figure.why}"
            yield f"{where}: {figure.printed}, recomputed {figure.recomputed}{more}"
            if figure.or_else:
                yield f"or one of: {'; '.join(figure.or_else)}"


def wrong_text(audit: Audit) -> str:
    """Return how many figures are wrong, of how many."""
    wrong = len(audit.wrong)
    named = f"{counted(wrong, 'figure')} {'are' if wrong > 1 else 'is'}"
    return f"{named if wrong else 'No figure is'} wrong, of {audit.figures} recomputed or compared."
