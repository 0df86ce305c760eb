"""What formats of lines of text share: a method a kind of block, and the walk over a document."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cortexscope.document._blocks import Bars, Definitions, Facts, Fold, Items, Listing, Prose

if TYPE_CHECKING:
    from cortexscope.document._document import Block, Document, Section
    from cortexscope.document._explorers import Chooser, Pages
    from cortexscope.document._figure import Figure
    from cortexscope.document._table import Table

__all__ = ["Writer"]


class Writer(ABC):
    """Writes blocks as texts that end a line, with an empty line between two."""

    def document(self, document: Document) -> str:
        """Return all of a document."""
        head = [self.heading(document.heading)] if document.heading else []
        return "\n".join([*head, *self.texts((*document.lead, *document.sections))])

    def texts(self, blocks: Iterable[Block], level: int = 2) -> list[str]:
        """Return the text of each block that has one."""
        texts = []
        for block in blocks:
            if block.kind == "section":
                texts += self.section(block, level)  # type: ignore[arg-type]
            elif text := getattr(self, block.kind)(block, level):
                texts.append(text)
        return texts

    def section(self, section: Section, level: int) -> list[str]:
        """Return the heading of a section and its blocks."""
        head = [self.heading(section.title, level)] if section.title else []
        return [*head, *self.texts(section.blocks, level + 1)]

    @abstractmethod
    def heading(self, text: str, level: int = 1) -> str:
        """Return a heading; 1 is that of the document."""

    @abstractmethod
    def prose(self, prose: Prose, level: int) -> str:
        """Return paragraphs."""

    @abstractmethod
    def listing(self, listing: Listing, level: int) -> str:
        """Return lines as they stand."""

    @abstractmethod
    def facts(self, facts: Facts, level: int) -> str:
        """Return names and values."""

    @abstractmethod
    def definitions(self, definitions: Definitions, level: int) -> str:
        """Return terms and meanings."""

    @abstractmethod
    def table(self, table: Table, level: int) -> str:
        """Return a table with its notes."""

    @abstractmethod
    def figure(self, figure: Figure, level: int) -> str:
        """Return what a figure says without being drawn, and its tables."""

    @abstractmethod
    def bars(self, bars: Bars, level: int) -> str:
        """Return values with intervals."""

    @abstractmethod
    def items(self, items: Items, level: int) -> str:
        """Return a list of blocks."""

    def fold(self, fold: Fold, level: int) -> str:
        """Return what a fold holds, opened."""
        return "\n".join(self.texts(fold.blocks, level))

    def chooser(self, chooser: Chooser, level: int) -> str:
        """Return what stands in its place."""
        return self.prose(Prose((chooser.told,)), level)

    def pages(self, pages: Pages, level: int) -> str:
        """Return the table that leads to the pages."""
        return self.table(pages.table, level)
