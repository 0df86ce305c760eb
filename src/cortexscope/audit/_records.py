"""What an audit finds: wrong figures, and a verdict on each claim with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

__all__ = [
    "ALWAYS",
    "PLAIN",
    "Audit",
    "Check",
    "Checked",
    "Convention",
    "GivenFile",
    "Judged",
    "Lead",
    "Quantity",
    "Rank",
    "Reading",
    "SOURCES",
    "STUDY_MODELS",
    "OTHER_MODELS",
    "Over",
    "Source",
    "VERDICTS",
    "Verdict",
    "WrongFigure",
]

_ALPHA = 0.05

Verdict = Literal[
    "holds",
    "holds on average only",
    "holds only raw",
    "depends on the reading",
    "did not generalise",
    "contradicted",
    "cannot be checked",
]
"""`holds on average only`: the average is so, and a test over models does not show the lead.
`holds only raw`: it holds, and no longer does when the prompts' length is controlled.
`depends on the reading`: its words allow several readings, whose verdicts differ.
`did not generalise`: models that the claim is not about do not bear it out."""

Source = Literal[
    "the published files",
    "the claims' own figures",
    "the study's models in the run",
    "the run's other models",
]
"""What a claim is checked against."""

Over = Literal["models", "tasks"]
"""What a difference is paired over."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
PLAIN: tuple[Verdict, ...] = ("holds", "cannot be checked")
"""Verdicts that need no second look; the others stand out."""
ALWAYS: tuple[Verdict, ...] = (*PLAIN, "contradicted")
"""Verdicts that are counted though there may be none."""
SOURCES: tuple[Source, ...] = get_args(Source)
STUDY_MODELS: Source = "the study's models in the run"
OTHER_MODELS: Source = "the run's other models"


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
class Rank:
    """The place of a task in one model, or of a model in one task."""

    where: str
    first: int
    last: int
    """As `first`, or more where others tie with it."""
    of: int
    tied: tuple[str, ...] = ()
    """The others that have the same figure."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A test of whether one thing is beyond all others, paired over models or over tasks."""

    own: str
    """What is claimed to be beyond."""
    words: str
    """The difference to the next, which is above 0 where the claim is right."""
    over: Over
    n: int
    """How many of these."""
    ahead: int
    """In how many of these the difference is above 0."""
    tied: int
    mean: float
    error: float | None
    """Standard error of the mean difference; None where n is 1."""
    p: float
    """The largest of the rivals' p-values, two-sided."""
    rival: str
    """Whose p that is."""
    rivals: int
    least: float
    """The smallest p that n of these can give."""
    unit: str = ""
    ranks: tuple[Rank, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether the test finds the lead, at the level 0.05."""
        return self.mean > 0 and self.p <= _ALPHA


@dataclass(frozen=True, slots=True)
class Check:
    """What one source says of a claim."""

    against: Source
    verdict: Verdict
    sentence: str
    quantities: tuple[Quantity, ...] = ()
    leads: tuple[Lead, ...] = ()
    caveats: tuple[str, ...] = ()
    """What has to be known beside the verdict, a sentence each."""
    readings: tuple[Reading, ...] = ()
    """Where the claim's words allow several; numbers and tests are then in these."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a claim, and what a source says of it then."""

    words: str
    check: Check


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and what every source says of it."""

    id: str
    words: str
    lines: tuple[int, ...]
    """Of the study's README."""
    checks: tuple[Check, ...]
    caveats: tuple[str, ...] = ()
    """What its words leave out, whatever it is checked against."""


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


class Checked(NamedTuple):
    """What is found of a file's figures."""

    figures: int
    wrong: tuple[WrongFigure, ...]
    conventions: tuple[Convention, ...]
    """How they are made, and what is left out."""
    undetermined: tuple[str, ...]
    """What is not recomputed, or not determined, a sentence each."""
    ddof: int = 1
    """Of the standard deviations."""


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
    notes: tuple[str, ...] = ()
    """How leads are tested, and what that can show."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """What claims were checked against."""
        used = {check.against for claim in self.claims for check in claim.checks}
        return tuple(source for source in SOURCES if source in used)

    @property
    def notable(self) -> tuple[Judged, ...]:
        """The claims that do not simply hold by some source."""
        return tuple(
            claim
            for claim in self.claims
            if any(check.verdict not in PLAIN for check in claim.checks)
        )

    def count(self, source: Source, verdict: Verdict) -> int:
        """Return how many claims have a verdict from a source."""
        checks = [check for claim in self.claims for check in claim.checks]
        return sum(check.against == source and check.verdict == verdict for check in checks)
