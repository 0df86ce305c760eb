"""What an audit finds: wrong figures, and a verdict on each claim with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = [
    "Audit",
    "Check",
    "Convention",
    "GivenFile",
    "Judged",
    "Quantity",
    "SOURCES",
    "Source",
    "VERDICTS",
    "Verdict",
    "WrongFigure",
]

Verdict = Literal["holds", "holds only raw", "contradicted", "cannot be checked"]
"""`holds only raw`: it holds, and no longer does when the prompts' length is controlled."""

Source = Literal["the published files", "the claims' own figures", "the run"]
"""What a claim is checked against."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a check: as it is claimed, and as it is found."""

    name: str
    claimed: str | None
    """As printed; None where the claim names no figure."""
    found: float | int | str | None
    """None where it is undefined; the note then says why."""
    low: float | None = None
    high: float | None = None
    """95 % interval, where there is one."""
    right: bool | None = None
    """Whether the two agree in the digits printed; None where that is not the question."""
    note: str = ""
    """Number of prompts and method, or the reason why something is undefined."""
    unit: str = ""
    """Such as `nats`; empty for counts, names and pure numbers."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one source says of a claim."""

    against: Source
    verdict: Verdict
    sentence: str
    quantities: tuple[Quantity, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and what every source says of it."""

    id: str
    words: str
    lines: tuple[int, ...]
    """Of the study's README."""
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class WrongFigure:
    """A figure of the published file that the rest of the file contradicts."""

    table: str
    """Such as `Table 3`, `heading`, or the name of a sheet."""
    part: str | None
    """The list of Table 6 that it stands in."""
    row: str
    column: str
    place: str
    """Line of the text file, or the row of a spreadsheet."""
    printed: str
    recomputed: str
    kind: Literal[
        "derived figure", "cell of Table 1", "label or count", "order", "figure of a spreadsheet"
    ]
    why: str
    or_else: tuple[str, ...] = ()
    """Other figures of which one may be wrong in its place: nothing tells them apart."""


@dataclass(frozen=True, slots=True)
class Convention:
    """How the file's figures are made, as found by trying."""

    what: str
    found: str


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file of the study that was given."""

    name: str
    sha256: str
    holds: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything an audit found."""

    version: str
    """Of cortexscope."""
    study: str
    """Title of the study."""
    files: tuple[GivenFile, ...]
    """The study's files that were given."""
    figures: int
    """How many figures of the tables were recomputed or compared."""
    wrong: tuple[WrongFigure, ...]
    conventions: tuple[Convention, ...]
    undetermined: tuple[str, ...]
    """What nothing in the file determines, a sentence each."""
    run: str | None
    """Name of the run's folder; None where none was given."""
    run_facts: dict[str, str]
    claims: tuple[Judged, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """What claims were checked against."""
        used = {check.against for claim in self.claims for check in claim.checks}
        return tuple(source for source in SOURCES if source in used)

    def count(self, source: Source, verdict: Verdict) -> int:
        """Return how many claims have a verdict from a source."""
        checks = [check for claim in self.claims for check in claim.checks]
        return sum(check.against == source and check.verdict == verdict for check in checks)
