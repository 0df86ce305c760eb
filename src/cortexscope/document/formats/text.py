"""Write a document as plain text; its tables in the study's layout."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len

from cortexscope.document._blocks import Bars, Definitions, Facts, Items, Listing, Prose
from cortexscope.document._table import Part, Table, cell_text
from cortexscope.document._words import read_aloud
from cortexscope.document.formats._writer import Writer
from cortexscope.texts import plain, plain_lines

if TYPE_CHECKING:
    from cortexscope.document._document import Document
    from cortexscope.document._figure import Figure

__all__ = ["TextWriter", "render"]

_RULE = 35
_WIDTH = 100


def render(document: Document) -> str:
    """Return a document as plain text, 100 characters wide but for its tables.

    The layout of a table is that of the study, which is pandas': title, dashes, rows, then its
    notes; zeros that end every number of a column are left out.
    """
    return TextWriter(_WIDTH).document(document)


class TextWriter(Writer):
    """Writes blocks as plain text."""

    def __init__(self, width: int) -> None:
        self._width = width

    def heading(self, text: str, level: int = 1) -> str:
        """Return it in capitals, with a line below."""
        text = plain(text).upper()
        return f"{text}\n{'=' * 80 if level == 1 else '-' * max(_RULE, len(text))}\n"

    def prose(self, prose: Prose, level: int) -> str:
        """Return paragraphs, wrapped."""
        if prose.form == "unscripted":
            return ""
        first = {"list": "- ", "aside": "  "}.get(prose.form, "")
        return self._lines((read_aloud(words) for words in prose.paragraphs), first)

    def listing(self, listing: Listing, level: int) -> str:
        """Return its lines."""
        return plain_lines(listing.text) + "\n"

    def facts(self, facts: Facts, level: int) -> str:
        """Return a line a fact."""
        named = [f"{facts.title}:"] if facts.title else []
        lines = [f"{plain(fact.name)}: {read_aloud(fact.value)}" for fact in facts.facts]
        return self._lines([*named, *lines])

    def definitions(self, definitions: Definitions, level: int) -> str:
        """Return a paragraph a term."""
        return self._lines(
            f"{plain(own.term)}{f' ({plain(own.unit)})' if own.unit else ''}: "
            f"{plain(own.meaning)} {read_aloud(own.details)}".rstrip()
            for own in definitions.definitions
        )

    def table(self, table: Table, level: int) -> str:
        """Return title, dashes, rows, then notes."""
        number = "" if table.number is None else f"TABLE {table.number}: "
        title = number + plain(table.title).upper()
        blocks = [f"{title}\n{'-' * max(_RULE, len(title))}"] if title else []
        for part in table.parts:
            block = _block(part)
            blocks.append(f"{plain(part.title)}:\n{block}\n" if part.title else block)
        blocks.extend(f"Note: {plain(note)}" for note in table.footnotes)
        return "\n".join(blocks) + "\n"

    def figure(self, figure: Figure, level: int) -> str:
        """Return title, finding, caption and notes, then the figure's tables."""
        told = filter(None, (figure.finding, figure.caption, *figure.notes))
        words = self._lines(map(plain, told))
        tables = [self.table(table, level + 1) for table in figure.tables]
        return "\n".join([self.heading(figure.name, level) + words, *tables])

    def bars(self, bars: Bars, level: int) -> str:
        """Return a line a value."""
        named = [plain(bars.title)] if bars.title else []
        return self._lines(
            [*named, *(f"{plain(bar.name)}: {plain(bar.text)}" for bar in bars.bars)]
        )

    def items(self, items: Items, level: int) -> str:
        """Return every item, what follows its first block further in."""
        inner = type(self)(max(40, self._width - 2))
        texts = []
        for first, *others in items.items:
            texts += inner.texts([first], level)
            texts += [textwrap.indent(text, "  ") for text in inner.texts(others, level)]
        return "".join(texts)

    def _lines(self, texts: Iterable[str], first: str = "") -> str:
        lines: list[str] = []
        for text in texts:
            lines += textwrap.wrap(
                text,
                self._width,
                initial_indent=first,
                subsequent_indent=" " * len(first),
                break_on_hyphens=False,
            )
        return "".join(f"{line}\n" for line in lines)


def _block(part: Part) -> str:
    if not len(part.frame):
        return "(no rows)"
    columns = [_cells(part, number) for number in range(len(part.columns))]
    return "\n".join("".join(row).rstrip() for row in zip(*columns, strict=True))


def _cells(part: Part, number: int) -> list[str]:
    column = part.columns[number]
    texts = [plain(cell_text(value, column)) for value in part.frame[column.name]]
    if column.kind == "number":
        texts = _trimmed(texts)
    indexed = part.index and number == 0
    head = [column.name]
    if part.index:
        # As pandas writes an index: its name on a line of its own, on the left.
        head.insert(0 if indexed else 1, "")
    gap = "" if number == 0 else " " if column.kind == "text" else "  "
    return [gap + _padded(cell, head + texts, left=indexed) for cell in head + texts]


def _padded(text: str, column: list[str], *, left: bool) -> str:
    space = " " * (max(map(cell_len, column)) - cell_len(text))
    return text + space if left else space + text


def _trimmed(texts: list[str]) -> list[str]:
    numbers = [text for text in texts if "." in text]
    while numbers and all(text.endswith("0") and text[-2] != "." for text in numbers):
        texts = [text[:-1] if "." in text else text for text in texts]
        numbers = [text[:-1] for text in numbers]
    return texts
