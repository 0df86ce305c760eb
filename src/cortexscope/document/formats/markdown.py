"""Write a document as Markdown, which shows every text as it is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cortexscope.document._blocks import Bars, Definitions, Facts, Items, Listing, Prose
from cortexscope.document._table import Part, Table
from cortexscope.document._words import Span, Words
from cortexscope.document.formats._writer import Writer
from cortexscope.texts import plain, plain_lines

if TYPE_CHECKING:
    from cortexscope.document._document import Document
    from cortexscope.document._figure import Figure

__all__ = ["render"]


def render(document: Document) -> str:
    """Return a document as Markdown, with tables as GitHub writes them."""
    return _MarkdownWriter().document(document)


class _MarkdownWriter(Writer):
    def heading(self, text: str, level: int = 1) -> str:
        return f"{'#' * min(level, 6)} {_text(text)}\n"

    def prose(self, prose: Prose, level: int) -> str:
        if prose.form == "unscripted":
            return ""
        begin = {"list": "- ", "aside": "> ", "warning": "> "}.get(prose.form, "")
        between = "" if prose.form == "list" else "\n" if not begin else ">\n"
        return between.join(f"{begin}{_words(words)}\n" for words in prose.paragraphs)

    def listing(self, listing: Listing, level: int) -> str:
        # Within an indented block nothing is markup.
        return textwrap.indent(plain_lines(listing.text), "    ", lambda _: True) + "\n"

    def facts(self, facts: Facts, level: int) -> str:
        if facts.form == "cards":
            heads = [facts.title, *(fact.name for fact in facts.facts)]
            return _grid(map(_text, heads), [["", *(_words(fact.value) for fact in facts.facts)]])
        lines = (f"- {_text(fact.name)}: {_words(fact.value)}\n" for fact in facts.facts)
        return (f"{_text(facts.title)}\n\n" if facts.title else "") + "".join(lines)

    def definitions(self, definitions: Definitions, level: int) -> str:
        return "".join(
            f"- **{_text(own.term)}**{f' ({_text(own.unit)})' if own.unit else ''}: "
            f"{_text(own.meaning)} {_words(own.details)}".rstrip()
            + "\n"
            for own in definitions.definitions
        )

    def table(self, table: Table, level: int) -> str:
        name = "" if table.number is None else f"Table {table.number}. {table.title}"
        notes = "".join(f"- {_text(note)}\n" for note in table.footnotes)
        texts = [
            *([self.heading(name, level)] if name else []),
            *map(_part, table.parts),
            *([notes] if notes else []),
        ]
        return "\n".join(texts)

    def figure(self, figure: Figure, level: int) -> str:
        told = filter(None, (figure.finding, figure.caption))
        texts = [self.heading(figure.name, level), *(f"{_text(words)}\n" for words in told)]
        if figure.notes:
            texts.append("".join(f"- {_text(note)}\n" for note in figure.notes))
        return "\n".join([*texts, *(self.table(table, level + 1) for table in figure.tables)])

    def bars(self, bars: Bars, level: int) -> str:
        title = f"{_text(bars.title)}\n\n" if bars.title else ""
        return title + "".join(f"- {_text(bar.name)}: {_text(bar.text)}\n" for bar in bars.bars)

    def items(self, items: Items, level: int) -> str:
        texts = []
        for blocks in items.items:
            lines = textwrap.indent("\n".join(self.texts(blocks, level)), "  ")
            texts.append(f"- {lines[2:]}")
        return "".join(texts)


def _part(part: Part) -> str:
    title = f"{_text(part.title)}:\n\n" if part.title else ""
    if not len(part.frame):
        return f"{title}(no rows)\n"
    rows = [
        [_code(cell) if column.kind == "code" else _text(cell) for cell, column in pairs]
        for pairs in (zip(row, part.columns, strict=True) for row in part.texts())
    ]
    aligned = ["---:" if column.numeric else "---" for column in part.columns]
    return title + _grid((_text(column.name) for column in part.columns), rows, aligned)


def _grid(
    heads: Iterable[str], rows: Sequence[Sequence[str]], aligned: Sequence[str] | None = None
) -> str:
    heads = list(heads)
    lines = [heads, aligned or ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _words(words: Words) -> str:
    """Return words that begin no heading, no list and no line."""
    pieces = (words,) if isinstance(words, str) else words
    return re.sub(r"^(\s*)(?=[#+=-])|(?<=^\d)(?=[.)])", r"\1\\", "".join(map(_piece, pieces)))


def _piece(piece: str | Span) -> str:
    if isinstance(piece, str):
        return _text(piece)
    if piece.mark == "code":
        return _code(piece.text)
    text = _text(piece.text)
    return f"**{text}**" if piece.mark in ("strong", "badge") and text else text


def _code(text: str) -> str:
    # Within code no character can be escaped.
    text = plain(text)
    return _text(text) if "`" in text or "|" in text else f"`{text}`" if text else ""


def _text(text: str) -> str:
    """Return a text that stays what it is in Markdown, and in a table."""
    return "".join(f"\\{c}" if c in "\\`*_|<>[]&~" else c for c in plain(text))
