"""Write a document's tables as CSV, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.files import as_csv

if TYPE_CHECKING:
    from cortexscope.document._document import Document

__all__ = ["render"]


def render(document: Document) -> str:
    """Return the tables with all digits, an empty line between two; undefined cells are empty."""
    return "\n".join(as_csv(table.frame) for table in document.tables)
