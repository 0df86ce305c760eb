"""What stands in a section beside tables and figures: words, facts, definitions, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.document._words import Tone, Words

if TYPE_CHECKING:
    from cortexscope.document._document import Block

__all__ = [
    "Bar",
    "Bars",
    "Definition",
    "Definitions",
    "Fact",
    "Facts",
    "Fold",
    "Items",
    "Listing",
    "Prose",
]


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs."""

    kind: ClassVar[str] = "prose"

    paragraphs: tuple[Words, ...]
    form: Literal["text", "list", "aside", "warning", "unscripted"] = "text"
    """`aside`: what has to be known beside. `unscripted`: for who sees a page without its scripts;
    no other format has it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines that are to be copied as they stand, such as BibTeX."""

    kind: ClassVar[str] = "listing"

    text: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what it is."""

    name: str
    value: Words
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values: a few at a glance, counts as cards, or a long list."""

    kind: ClassVar[str] = "facts"

    facts: tuple[Fact, ...]
    form: Literal["glance", "cards", "list"] = "list"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a term means."""

    term: str
    meaning: str
    details: Words = ""
    unit: str = ""
    key: str = ""
    """Stable name; where the term stands in a table, it leads here."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """Terms and their meanings."""

    kind: ClassVar[str] = "definitions"

    definitions: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval."""

    name: str
    value: float
    low: float
    high: float
    unit: str = ""
    tone: Tone = ""

    @property
    def text(self) -> str:
        """Value, interval and unit."""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}] {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Bars:
    """Values with intervals, drawn small beside 0; those of one unit are on one scale."""

    kind: ClassVar[str] = "bars"

    bars: tuple[Bar, ...]
    title: str = ""
    beside: bool = False
    """Whether what follows stands beside it where a page is wide."""

    def places(self, bar: Bar) -> tuple[float, float, float, float]:
        """Return where low, value, high and 0 of a bar lie, in per cent of the width."""
        alike = [own for own in self.bars if own.unit == bar.unit]
        ends = [0.0, *(end for own in alike for end in (own.low, own.value, own.high))]
        first, reach = min(ends), (max(ends) - min(ends)) or 1.0
        low, value, high, zero = (
            2 + 96 * (place - first) / reach for place in (bar.low, bar.value, bar.high, 0.0)
        )
        return low, value, high, zero


@dataclass(frozen=True, slots=True)
class Items:
    """A list each of whose items holds several blocks."""

    kind: ClassVar[str] = "items"

    items: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that stay folded until a reader asks for them, where a format can do so."""

    kind: ClassVar[str] = "fold"

    summary: str
    blocks: tuple[Block, ...]
