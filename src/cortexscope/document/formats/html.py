"""Write a document as one HTML page that opens without a network and needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cortexscope.document._table import UNDEFINED, Part
from cortexscope.texts import plain

if TYPE_CHECKING:
    from cortexscope.document._document import Document
    from cortexscope.document._figure import Figure

__all__ = ["render"]


def render(document: Document) -> str:
    """Return a document as one HTML page.

    All texts are escaped, and the page's content security policy forbids it to load anything; one
    without figures may not run anything either.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("cortexscope.document"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.globals |= {"cells": _cells, "drawn": _drawn}
    plotly = ""
    if any(figure.panels for figure in document.figures):
        from plotly.offline import get_plotlyjs

        plotly = Markup(get_plotlyjs())
    page = environment.get_template("document.html.j2")
    return str(page.render(document=document, plotly=plotly))


class _Cell(NamedTuple):
    text: str
    look: str
    """Its classes of style."""
    exact: str
    """A number with more digits; empty where the text says all."""
    reason: str
    """Why it is undefined; empty where it is defined, or not known."""
    code: bool


def _cells(part: Part) -> Iterator[list[_Cell]]:
    names = [column.name for column in part.columns]
    for place, (row, texts) in enumerate(
        zip(part.frame[names].itertuples(index=False), part.texts(), strict=True)
    ):
        cells = []
        for value, text, column in zip(row, map(plain, texts), part.columns, strict=True):
            looks = (
                "number" if column.numeric else "code" if column.kind == "code" else "",
                "wraps" if column.wraps else "",
                column.tones.get(text, ""),
            )
            known = column.kind == "number" and text != UNDEFINED
            cells.append(
                _Cell(
                    text,
                    " ".join(filter(None, looks)),
                    f"{value:.8g}" if known else "",
                    plain(part.reasons.get((place, column.name), "")),
                    column.kind == "code",
                )
            )
        yield cells


def _drawn(figure: Figure) -> dict[str, Any]:
    from markupsafe import Markup

    from cortexscope.document.drawing.plotly import interactive

    drawing = interactive(figure)
    # Within a script element only these characters could end it.
    text = drawing.json.replace("<", "\\u003c").replace(">", "\\u003e")
    return {**drawing._asdict(), "json": Markup(text.replace("&", "\\u0026"))}
