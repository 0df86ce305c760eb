"""An audit as a document, which formats write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cortexscope.audit._glance import line, wrong_text
from cortexscope.audit._lead import lead_text
from cortexscope.audit._records import (
    ALWAYS,
    PLAIN,
    VERDICTS,
    Audit,
    Check,
    Judged,
    Lead,
    Quantity,
    Rank,
    Verdict,
)
from cortexscope.audit._words import counted, listed
from cortexscope.document import (
    UNDEFINED,
    Bar,
    Bars,
    Block,
    Column,
    Document,
    Fact,
    Facts,
    Fold,
    Items,
    Part,
    Prose,
    Section,
    Span,
    Table,
    Tone,
    Words,
)

__all__ = ["document_of", "rank_text", "readme_lines"]

# Of other verdicts, which hold in part: "half".
_TONES: dict[Verdict, Tone] = {
    "holds": "good",
    "contradicted": "bad",
    "cannot be checked": "open",
}
_HELD: dict[bool | None, Tone] = {True: "good", False: "bad", None: "half"}


def document_of(audit: Audit) -> Document:
    """Return the whole audit as a document."""
    title = "What is true in the published study"
    return Document(
        title,
        (
            Section("shows", "What does not simply hold", tuple(_standing_out(audit))),
            Section("claims", "Claims", tuple(map(_claim, audit.claims))),
            Section("tests", "How leads are tested", (Prose(audit.notes, "list"),)),
            *_figures(audit),
            Section("sources", "Files and run", tuple(_sources(audit))),
        ),
        lead=tuple(_lead_in(audit)),
        title="cortexscope: audit of the published study",
        brand=f"cortexscope {audit.version}",
    )


def _lead_in(audit: Audit) -> Iterator[Block]:
    yield line((Span(audit.study, "small"),))
    for source in audit.sources:
        asked = sum(audit.count(source, verdict) for verdict in VERDICTS)
        run = f" ({audit.run})" if "the run" in source else ""
        yield Facts(
            tuple(
                Fact(verdict, str(count), _TONES.get(verdict, "half"))
                for verdict in VERDICTS
                if (count := audit.count(source, verdict)) or verdict in ALWAYS
            ),
            "cards",
            f"{counted(asked, 'claim')}, checked against {source}{run}",
        )
    if audit.figures:
        yield line((Span(wrong_text(audit), "strong"),))


def _standing_out(audit: Audit) -> Iterator[Block]:
    items = tuple(
        (
            line((Span(claim.words, to=claim.id),)),
            *(_said(check) for check in claim.checks if check.verdict not in PLAIN),
        )
        for claim in audit.notable
    )
    none = line("Every claim that could be checked holds by what was given.")
    yield Items(items) if items else none


def _said(check: Check) -> Prose:
    return line(
        (_badge(check.verdict), Span(f" against {check.against}: ", "small"), check.sentence)
    )


def _badge(verdict: Verdict) -> Span:
    return Span(verdict, "badge", _TONES.get(verdict, "half"))


def _claim(claim: Judged) -> Section:
    blocks: list[Block] = [line((Span(f"README, {readme_lines(claim.lines)}", "small"),))]
    blocks += _caveats(claim.caveats)
    for check in claim.checks:
        blocks += [_said(check), *_numbers(check, claim.words)]
        readings = tuple(
            (
                line((Span(own.words, "strong"), " ", _badge(own.check.verdict))),
                line(own.check.sentence),
                *_numbers(own.check, f"{claim.words} Read as: {own.words}"),
            )
            for own in check.readings
        )
        blocks += [Items(readings)] if readings else []
    return Section(claim.id, claim.words, tuple(blocks))


def _caveats(caveats: tuple[str, ...]) -> list[Block]:
    return [Prose(caveats, "aside")] if caveats else []


def _numbers(check: Check, words: str) -> Iterator[Block]:
    """Yield a check's caveats, tests, intervals and numbers."""
    yield from _caveats(check.caveats)
    for lead in check.leads:
        yield line((Span(f"Tested over {lead.over}", to="tests"), ": ", lead_text(lead)))
        if lead.ranks:
            yield line(_ranks(lead))
    bars = tuple(_bars(check.quantities))
    if bars:
        yield Bars(bars)
    if check.quantities:
        table = Table("numbers", f"Numbers of the claim: {words}", (_rows(check.quantities),))
        yield Fold(counted(len(check.quantities), "number"), (table,))


def _ranks(lead: Lead) -> Words:
    pieces: list[str | Span] = [f"Rank of {lead.own} among {lead.ranks[0].of}: "]
    for rank in lead.ranks:
        tone: Tone = "" if rank.first > 1 else "good" if rank.last == 1 else "half"
        pieces += [Span(rank_text(rank), tone=tone), "; "]
    return (*pieces[:-1], ".")


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


def _bars(quantities: Sequence[Quantity]) -> Iterator[Bar]:
    """Yield the intervals of what should lie above 0."""
    for own in quantities:
        if own.low is None or own.high is None or own.claimed != "> 0":
            continue
        if isinstance(own.found, float):
            yield Bar(own.name, own.found, own.low, own.high, own.unit, _HELD[own.right])


def _rows(quantities: Sequence[Quantity]) -> Part:
    held = {True: "yes", False: "no", None: ""}
    columns: list[tuple[Column, list[str]]] = [
        (Column("Quantity", wraps=True), [own.name for own in quantities]),
        (Column("Claimed"), [own.claimed or "" for own in quantities]),
        (Column("Found"), [_found(own) for own in quantities]),
        (Column("95 % interval"), [_interval(own) for own in quantities]),
        (Column("Agrees", tones={"no": "bad"}), [held[own.right] for own in quantities]),
        (Column("Note", wraps=True), [own.note for own in quantities]),
    ]
    # A column without an entry would only take room.
    used = [(column, cells) for column, cells in columns if any(cells)]
    return Part.of([column for column, _ in used], list(zip(*(c for _, c in used), strict=True)))


def _found(quantity: Quantity) -> str:
    """Return what was found, with its unit."""
    found = quantity.found
    text = f"{found:.6g}" if isinstance(found, float) else str(found)
    return UNDEFINED if found is None else f"{text} {quantity.unit}".rstrip()


def _interval(quantity: Quantity) -> str:
    if quantity.low is None or quantity.high is None:
        return ""
    return f"{quantity.low:.4g} to {quantity.high:.4g}"


def _figures(audit: Audit) -> Iterator[Section]:
    """Yield what is wrong in the tables, and how their figures are made."""
    if not audit.figures:
        return
    blocks: list[Block] = [line(wrong_text(audit))]
    if audit.wrong:
        columns: list[Column | str] = [
            "Table", "Row", "Column", "Printed", "Recomputed",
            Column("Why", wraps=True), Column("Or one of", wraps=True), Column("Place", wraps=True),
        ]  # fmt: skip
        rows = [
            (
                f"{own.table}, {own.part}" if own.part else own.table, own.row, own.column,
                own.printed, own.recomputed, own.why, "; ".join(own.or_else), own.place,
            )
            for own in audit.wrong
        ]  # fmt: skip
        blocks.append(Table("wrong", "Wrong figures", (Part.of(columns, rows),)))
    yield Section("wrong", "Wrong figures", tuple(blocks))
    found = tuple(f"{own.what}: {own.found}." for own in audit.conventions)
    made: list[Block] = [Prose(found, "list")]
    if audit.undetermined:
        made.append(line("What the file does not determine:"))
        made.append(Prose(audit.undetermined, "list"))
    yield Section("figures", "How the figures are made", tuple(made))


def _sources(audit: Audit) -> Iterator[Block]:
    if audit.files:
        columns: list[Column | str] = [
            "File",
            Column("Holds", wraps=True),
            Column("SHA-256", "code"),
        ]
        rows = [(own.name, own.holds, own.sha256) for own in audit.files]
        yield Table("files", "Files", (Part.of(columns, rows),))
    else:
        yield line(
            "No file of the study was given, so its claims were checked against the figures that "
            "they quote."
        )
    if audit.run:
        facts = tuple(Fact(name, fact) for name, fact in audit.run_facts.items())
        yield Section("run", f"The run {audit.run}", (Facts(facts),))


def readme_lines(lines: Sequence[int]) -> str:
    """Return line numbers with runs of neighbours joined.

    Example:
        >>> readme_lines([4]), readme_lines([1, 2, 3, 7])
        ('line 4', 'lines 1-3 and 7')
    """
    runs: list[list[int]] = []
    for number in lines:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"line{'s' if len(lines) > 1 else ''} {listed(parts)}"
