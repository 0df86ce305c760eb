"""A document: sections of blocks, which know nothing of how they look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cortexscope.document._blocks import (
    Bars,
    Definition,
    Definitions,
    Facts,
    Fold,
    Items,
    Listing,
    Prose,
)
from cortexscope.document._explorers import Chooser, Pages
from cortexscope.document._figure import Figure
from cortexscope.document._table import Table

__all__ = ["Block", "Document", "Section"]


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Blocks under a heading; a section in a section has a smaller one."""

    kind: ClassVar[str] = "section"

    key: str
    """Stable name, to which words can lead."""
    title: str
    blocks: tuple[Block, ...]
    short: str = ""
    """Its title in a list of contents, where that differs."""


Block = (
    Prose
    | Listing
    | Facts
    | Definitions
    | Table
    | Figure
    | Bars
    | Items
    | Fold
    | Chooser
    | Pages
    | Section
)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """What a reader gets, in whichever format."""

    heading: str
    """Empty where tables stand alone."""
    sections: tuple[Section, ...]
    lead: tuple[Block, ...] = ()
    """Stands under the heading, before the sections."""
    title: str = ""
    """Of the window or the file; the heading where empty."""
    brand: str = ""
    """Name and version of the program that wrote it."""
    made: datetime | None = None
    """When its content was made; files take it for their date, and so are the same each time."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, in order, those within others after them."""
        return tuple(_all(self))

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in order, those of figures among them."""
        return tuple(block for block in _all(self) if isinstance(block, Table))

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """All definitions, in order."""
        found = (block for block in _all(self) if isinstance(block, Definitions))
        return tuple(own for block in found for own in block.definitions)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, in order."""
        return tuple(block for block in _all(self) if isinstance(block, Figure))


def _all(document: Document) -> Iterator[Block]:
    return _within((*document.lead, *document.sections))


def _within(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Section | Fold):
            yield from _within(block.blocks)
        elif isinstance(block, Items):
            for item in block.items:
                yield from _within(item)
        elif isinstance(block, Figure):
            yield from block.tables
        elif isinstance(block, Pages):
            yield block.table
