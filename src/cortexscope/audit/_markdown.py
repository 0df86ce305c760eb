"""Write an audit as Markdown, and its first screen for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from cortexscope.audit._lead import lead_text
from cortexscope.audit._records import Audit, Check, Judged, Lead, Quantity, Verdict, WrongFigure
from cortexscope.audit._shown import (
    PLAIN,
    found_text,
    interval_text,
    notable,
    plain,
    rank_text,
    tallies,
    wrong_text,
)

__all__ = ["as_markdown", "first_screen", "readme_lines"]

# Of the first screen: how many ways of being wrong are shown, and how many figures of one.
_SHOWN = 10
_MANY = 4
_WIDTH = 100


def first_screen(audit: Audit) -> str:
    """Return what an audit found at a glance, as plain text."""
    verdicts = _verdicts(audit)
    width = max(map(len, verdicts), default=0)
    head = " " * width + "".join(f"  {tally.source}" for tally in tallies(audit))
    lines = [f"{len(audit.claims)} claims of the study, by what they are checked against:", head]
    for verdict in verdicts:
        counts = (f"  {own.counts[verdict]:>{len(own.source)}}" for own in tallies(audit))
        lines.append(f"{verdict:<{width}}{''.join(counts)}")
    for claim in notable(audit):
        lines += ["", *_wrapped(plain(claim.words), 0)]
        for check in claim.checks:
            if check.verdict not in PLAIN:
                said = "" if check.readings else f": {plain(check.sentence)}"
                lines += _wrapped(f"{check.verdict}, {check.against}{said}", 2)
                for reading in check.readings:
                    said = f"{reading.check.verdict}. {plain(reading.check.sentence)}"
                    lines += _wrapped(f"{plain(reading.words)}: {said}", 4)
    if wrong_text(audit):
        lines += ["", wrong_text(audit)]
    for line in _few_wrong(audit.wrong):
        lines += _wrapped(plain(line), 2)
    return "\n".join(lines)


def _verdicts(audit: Audit) -> list[Verdict]:
    return [*next((tally.counts for tally in tallies(audit)), {})]


def _wrapped(text: str, indent: int) -> list[str]:
    first, others = " " * indent, " " * (indent + 2)
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )


def _few_wrong(wrong: Sequence[WrongFigure]) -> Iterator[str]:
    """Yield a line a wrong figure, and one for many of a table that are wrong in one way."""
    kinds: dict[tuple[str, str], list[WrongFigure]] = {}
    for figure in wrong:
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
                yield f"  or one of: {'; '.join(figure.or_else)}"


def as_markdown(audit: Audit) -> str:
    """Return the whole audit as Markdown."""
    return "\n".join(
        [
            "# What is true in the published study",
            "",
            f"{_text(audit.study)}, audited by cortexscope {audit.version}.",
            "",
            *_table(
                ["Claims checked", *_verdicts(audit)],
                [
                    [f"against {tally.source}", *(str(n) for n in tally.counts.values())]
                    for tally in tallies(audit)
                ],
            ),
            *([wrong_text(audit), ""] if wrong_text(audit) else []),
            *_standing_out(audit),
            "## Claims",
            "",
            *(line for claim in audit.claims for line in _claim(claim)),
            *_wrong(audit),
            *_about(audit),
        ]
    )


def _standing_out(audit: Audit) -> Iterator[str]:
    yield from ("## What does not simply hold", "")
    if not list(notable(audit)):
        yield "Every claim that could be checked holds by what was given."
    for claim in notable(audit):
        for check in claim.checks:
            if check.verdict not in PLAIN:
                yield (
                    f"- **{_text(claim.words)}** {check.verdict.capitalize()} against "
                    f"{check.against}: {_text(check.sentence)}"
                )
    yield ""


def _claim(claim: Judged) -> Iterator[str]:
    yield from (f"### {_text(claim.words)}", "", f"README, {readme_lines(claim.lines)}.", "")
    yield from _caveats(claim.caveats)
    for check in claim.checks:
        yield f"**{check.verdict.capitalize()}**, against {check.against}. {_text(check.sentence)}"
        yield ""
        yield from _numbers(check)
        for reading in check.readings:
            words, own = _text(reading.words), reading.check
            yield f"*Read as {words}:* **{own.verdict}.** {_text(own.sentence)}"
            yield ""
            yield from _numbers(own)


def _numbers(check: Check) -> Iterator[str]:
    yield from _caveats(check.caveats)
    for lead in check.leads:
        yield from _lead(lead)
    if check.quantities:
        rows = [_quantity(quantity) for quantity in check.quantities]
        yield from _table(["", "claimed", "found", "95 % interval", "agrees", ""], rows)


def _caveats(caveats: Sequence[str]) -> Iterator[str]:
    if caveats:
        yield from (*(f"> {_text(caveat)}" for caveat in caveats), "")


def _lead(lead: Lead) -> Iterator[str]:
    yield from (f"Tested over {lead.over}: {_text(lead_text(lead))}", "")
    if lead.ranks:
        ranks = "; ".join(_text(rank_text(rank)) for rank in lead.ranks)
        yield from (f"Rank of {_text(lead.own)} among {lead.ranks[0].of}: {ranks}.", "")


def _quantity(quantity: Quantity) -> list[str]:
    right = {True: "yes", False: "no", None: ""}[quantity.right]
    interval = interval_text(quantity)
    return [
        quantity.name,
        quantity.claimed or "",
        found_text(quantity),
        interval,
        right,
        quantity.note,
    ]


def _wrong(audit: Audit) -> Iterator[str]:
    if not audit.figures:
        return
    yield from ("## Wrong figures", "", wrong_text(audit), "")
    if audit.wrong:
        heads = ["Table", "row", "column", "place", "printed", "recomputed", "why", "or one of"]
        yield from _table(heads, [_wrong_row(wrong) for wrong in audit.wrong])


def _wrong_row(wrong: WrongFigure) -> list[str]:
    table = f"{wrong.table}, {wrong.part}" if wrong.part else wrong.table
    return [
        table, wrong.row, wrong.column, wrong.place, wrong.printed, wrong.recomputed, wrong.why,
        "; ".join(wrong.or_else),
    ]  # fmt: skip


def _about(audit: Audit) -> Iterator[str]:
    if audit.notes:
        yield from ("## How leads are tested", "")
        yield from (f"- {_text(note)}" for note in audit.notes)
        yield ""
    if audit.conventions:
        yield from ("## How the figures are made", "")
        yield from (f"- {_text(each.what)}: {_text(each.found)}." for each in audit.conventions)
        yield ""
    if audit.undetermined:
        yield from ("## What the file does not determine", "")
        yield from (f"- {_text(sentence)}" for sentence in audit.undetermined)
        yield ""
    if audit.run_facts:
        yield from (f"## The run {_text(audit.run or '')}", "")
        yield from (f"- {_text(name)}: {_text(fact)}" for name, fact in audit.run_facts.items())
        yield ""
    if audit.files:
        yield from ("## Files", "")
        yield from _table(
            ["file", "holds", "SHA-256"],
            [[file.name, file.holds, file.sha256] for file in audit.files],
        )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    made = ["| " + " | ".join(_text(cell) for cell in row) + " |" for row in (heads, *rows)]
    return [made[0], "|" + " --- |" * len(heads), *made[1:], ""]


def readme_lines(lines: Sequence[int]) -> str:
    """Return line numbers with runs of neighbours joined.

    Example:
        >>> readme_lines([4]), readme_lines([1, 2, 3, 7])
        ('line 4', 'lines 1-3 and 7')
    """
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    joined = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"line{'s' if len(lines) > 1 else ''} {joined}"


def _text(text: str) -> str:
    """Return a text that stays what it is in Markdown, and in a table."""
    return "".join(f"\\{c}" if c in "\\`*_|<>[]" else c for c in plain(text))
