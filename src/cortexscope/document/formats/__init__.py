"""The formats of a document: one file each, with a function `render`.

A text comes back as `str`, a file of bytes as `bytes`. csv and xlsx hold the tables alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.registry import Registry

if TYPE_CHECKING:
    from cortexscope.document._document import Document

__all__ = ["FORMATS", "render"]

FORMATS = Registry(
    "format",
    {
        name: f"cortexscope.document.formats.{name}:render"
        for name in ("html", "markdown", "text", "csv", "xlsx", "latex", "terminal", "pdf")
    },
)
"""Name of a format -> its `render`; other packages add some in the group `cortexscope.formats`."""


def render(document: Document, form: str) -> str | bytes:
    """Return a document in a format.

    Every text of the document is taken as hostile: no format lets it be more than text.

    Raises:
        UnknownNameError: if there is no such format.
    """
    made: str | bytes = FORMATS.load(form)(document)
    return made
