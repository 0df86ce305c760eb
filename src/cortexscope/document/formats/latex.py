"""Write a document as LaTeX: tables with booktabs and siunitx, to be set in a paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cortexscope.document._blocks import Bars, Definitions, Facts, Items, Listing, Prose
from cortexscope.document._table import UNDEFINED, Part, Table
from cortexscope.document._words import Span, Words
from cortexscope.document.formats._writer import Writer
from cortexscope.texts import plain, plain_lines

if TYPE_CHECKING:
    from cortexscope.document._document import Document
    from cortexscope.document._figure import Figure

__all__ = ["render"]

_NEEDS = (
    "% In the preamble: \\usepackage[T1]{fontenc}, \\usepackage{adjustbox, booktabs, longtable, "
    "siunitx}.\n% Names in scripts that pdfLaTeX does not know need XeLaTeX or LuaLaTeX.\n"
)
_LONG = 40
"""Rows, beyond which a table goes over several pages."""
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
}  # fmt: skip


def render(document: Document) -> str:
    """Return a document as LaTeX, to be put into another document.

    Tables have a caption and a label, `tab:KEY`; numbers are columns of siunitx.
    """
    return _NEEDS + _LatexWriter().document(document)


class _LatexWriter(Writer):
    def heading(self, text: str, level: int = 1) -> str:
        name = ("section", "subsection", "subsubsection", "paragraph")[min(level, 4) - 1]
        return f"\\{name}*{{{_text(text)}}}\n"

    def prose(self, prose: Prose, level: int) -> str:
        if prose.form == "unscripted":
            return ""
        if prose.form == "list":
            return _list(map(_words, prose.paragraphs))
        return "\n".join(f"{_words(words)}\n" for words in prose.paragraphs)

    def listing(self, listing: Listing, level: int) -> str:
        lines = (f"\\texttt{{{_text(line)}}}" for line in plain_lines(listing.text).splitlines())
        return "\\\\\n".join(lines) + "\n"

    def facts(self, facts: Facts, level: int) -> str:
        title = f"{_text(facts.title)}\n\n" if facts.title else ""
        named = (f"[{_text(own.name)}] {_words(own.value)}" for own in facts.facts)
        return title + _list(named, "description")

    def definitions(self, definitions: Definitions, level: int) -> str:
        return _list(
            (
                f"[{_text(own.term)}{f' ({_text(own.unit)})' if own.unit else ''}] "
                f"{_text(own.meaning)} {_words(own.details)}".rstrip()
                for own in definitions.definitions
            ),
            "description",
        )

    def table(self, table: Table, level: int) -> str:
        return "\n".join(_table(table, part, place) for place, part in enumerate(table.parts))

    def figure(self, figure: Figure, level: int) -> str:
        told = filter(None, (figure.finding, figure.caption))
        texts = [self.heading(figure.name, level), *(f"{_text(words)}\n" for words in told)]
        if figure.notes:
            texts.append(_list(map(_text, figure.notes)))
        return "\n".join([*texts, *(self.table(own, level + 1) for own in figure.tables)])

    def bars(self, bars: Bars, level: int) -> str:
        title = f"{_text(bars.title)}\n\n" if bars.title else ""
        return title + _list(f"{_text(bar.name)}: {_text(bar.text)}" for bar in bars.bars)

    def items(self, items: Items, level: int) -> str:
        return _list("\n".join(self.texts(blocks, level)) for blocks in items.items)


def _list(texts: Iterable[str], kind: str = "itemize") -> str:
    items = [f"\\item{'' if text.startswith('[') else ' '}{text}" for text in texts]
    return "\n".join([f"\\begin{{{kind}}}", *items, f"\\end{{{kind}}}"]) + "\n" if items else ""


def _table(table: Table, part: Part, place: int) -> str:
    title = f"{table.title}: {part.title}" if part.title else table.title
    key = table.key if place == 0 else f"{table.key}-{place + 1}"
    name = f"\\caption{{{_text(title)}}}\\label{{tab:{_label(key)}}}"
    texts = part.texts()
    columns = "".join(
        _numbers([row[number] for row in texts]) if column.numeric else "l"
        for number, column in enumerate(part.columns)
    )
    heads = " & ".join(f"{{{_text(column.name.replace('_', ' '))}}}" for column in part.columns)
    rows = [
        " & ".join(_cell(text, part, number) for number, text in enumerate(row)) + r" \\"
        for row in texts
    ]
    rows = rows or [f"\\multicolumn{{{len(part.columns)}}}{{l}}{{no rows}} \\\\"]
    notes = [f"{_text(note)}\\par" for note in table.footnotes] if place == 0 else []
    if len(rows) > _LONG:
        head = f"\\toprule\n{heads} \\\\\n\\midrule\n"
        lines = [
            "{\\footnotesize", f"\\begin{{longtable}}{{{columns}}}", f"{name} \\\\",
            f"{head}\\endfirsthead", f"{head}\\endhead", "\\bottomrule", "\\endfoot",
            *rows, "\\end{longtable}", *notes, "}",
        ]  # fmt: skip
        return "\n".join(lines) + "\n"
    lines = [
        "\\begin{table}", "\\centering", name, "\\begin{adjustbox}{max width=\\linewidth}",
        f"\\begin{{tabular}}{{{columns}}}", "\\toprule", f"{heads} \\\\", "\\midrule", *rows,
        "\\bottomrule", "\\end{tabular}", "\\end{adjustbox}",
        *(["\\par\\raggedright\\footnotesize", *notes] if notes else []), "\\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _numbers(texts: Sequence[str]) -> str:
    """Return a column of siunitx with room for the longest number."""
    if any("e" in text for text in texts):
        return "S"
    known = [text.lstrip("-").partition(".") for text in texts if text != UNDEFINED]
    whole = max((len(before) for before, _, _ in known), default=1)
    after = max((len(rest) for _, _, rest in known), default=0)
    sign = "-" if any(text.startswith("-") for text in texts) else ""
    return f"S[table-format={sign}{whole}.{after}]"


def _cell(text: str, part: Part, number: int) -> str:
    if part.columns[number].numeric:
        return "{--}" if text == UNDEFINED else text
    return _text(text)


def _label(key: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in key)


def _words(words: Words) -> str:
    pieces = (words,) if isinstance(words, str) else words
    return "".join(map(_piece, pieces))


def _piece(piece: str | Span) -> str:
    if isinstance(piece, str):
        return _text(piece)
    command = {"code": "texttt", "strong": "textbf", "badge": "textbf"}.get(piece.mark)
    return f"\\{command}{{{_text(piece.text)}}}" if command else _text(piece.text)


def _text(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    # Two hyphens or apostrophes side by side would become one character.
    text = "".join(_SPECIAL.get(c, c) for c in plain(text))
    return text.replace("--", "-{}-").replace("--", "-{}-").replace("''", "'{}'")
