"""Write tables as aligned text, in the study's layout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from cortexscope.records import Manifest
from cortexscope.report._labels import plain
from cortexscope.report._table import Part, Table, cell_text

__all__ = ["all_as_text", "as_text"]

_RULE = 35


def all_as_text(tables: Sequence[Table], manifest: Manifest) -> str:
    """Return all tables under a heading that says what was measured."""
    unfinished = "" if manifest.status == "complete" else " (not finished)"
    lines = [
        "CORTEXSCOPE - RESULTS TABLES",
        "=" * 80,
        "",
        f"Measured: {manifest.finished or manifest.created}{unfinished}",
        f"Suite: {plain(manifest.suite.name)} {plain(manifest.suite.version)}",
        f"Total Models: {len(manifest.models)}",
        f"Total Categories: {len(manifest.suite.tasks)}",
        "",
    ]
    return "\n".join([*lines, *(as_text(table) for table in tables)])


def as_text(table: Table) -> str:
    """Return a table as aligned text: title, dashes, rows, then its notes.

    The layout is that of the study, which is pandas': zeros that end every number of a column
    are left out.
    """
    title = f"TABLE {table.number}: {table.title.upper()}"
    blocks = [f"{title}\n{'-' * max(_RULE, len(title))}"]
    for part in table.parts:
        named = f"{part.title}:\n{_block(part)}\n" if part.title else _block(part)
        blocks.append(named)
    blocks.extend(f"Note: {plain(note)}" for note in table.notes)
    return "\n".join(blocks) + "\n"


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
