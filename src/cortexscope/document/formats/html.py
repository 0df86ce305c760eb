"""Write a document as one HTML page that opens without a network and needs no other file."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from cortexscope.document._explorers import Chooser, Pages
from cortexscope.document._table import UNDEFINED, Part
from cortexscope.document.formats._packed import (
    packed,
    packed_chooser,
    packed_figure,
    packed_pages,
)
from cortexscope.texts import plain, plain_lines

if TYPE_CHECKING:
    from markupsafe import Markup

    from cortexscope.document._blocks import Definition
    from cortexscope.document._document import Document
    from cortexscope.document._figure import Figure

__all__ = ["render"]


def render(document: Document) -> str:
    """Return a document as one HTML page.

    All texts are escaped, and the page's content security policy forbids it to load anything and
    to run anything but its own scripts, which it knows by their hashes.
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
    environment.filters |= {"plain": plain, "plain_lines": plain_lines, "coded": _coded}
    environment.globals |= {
        "cells": _cells, "shown": _shown, "still": _still,
        # Before a picture is waited for, which may still be being drawn.
        "drawn": {own.key: _drawn(own) for own in document.figures if own.panels},
        "packed_chooser": packed_chooser, "packed_pages": packed_pages,
        "terms": _terms(document), "meanings": _meanings(document),
    }  # fmt: skip
    scripts, plotly = [_template("page.js").decode()], ""
    hashed = list(scripts)
    explores = any(isinstance(block, Chooser | Pages) for block in document.blocks)
    if explores or any(figure.panels for figure in document.figures):
        library = _template("plotly-cartesian.min.js.gz")
        plotly = b64encode(library).decode()
        steps = any(figure.steps and figure.panels for figure in document.figures)
        used = {"explore.js": explores, "steps.js": steps}
        names = ("figures.js", *(name for name, needed in used.items() if needed))
        scripts += [_template(name).decode() for name in names]
        hashed = [*scripts, gzip.decompress(library).decode()]
    page = environment.get_template("document.html.j2")
    return str(
        page.render(
            document=document,
            plotly=plotly,
            scripts=[Markup(script) for script in scripts],
            hashes=[b64encode(sha256(script.encode()).digest()).decode() for script in hashed],
        )
    )


def _terms(document: Document) -> dict[str, Definition]:
    """Return what is defined, by the texts of cells that name it: alone, with its unit, by key."""
    found: dict[str, Definition] = {}
    for own in document.definitions:
        if own.key:
            names = own.term, f"{own.term} ({own.unit})", own.key
            found |= dict.fromkeys(map(plain, names), own)
    return found


def _meanings(document: Document) -> dict[str, str]:
    return {own.key: plain(own.meaning) for own in document.definitions if own.key}


def _template(name: str) -> bytes:
    return (files("cortexscope.document") / "templates" / name).read_bytes()


def _shown(part: Part) -> Part:
    """Return a part with the columns that say little of a row at the end."""
    return replace(part, columns=tuple(sorted(part.columns, key=lambda column: column.aside)))


class _Cell(NamedTuple):
    text: str
    look: str
    """Its classes of style."""
    exact: str
    """A number with more digits; empty where the text says all."""
    reason: str
    """Why it is undefined; empty where it is defined, or not known."""
    code: bool


class _Row(NamedTuple):
    cells: list[_Cell]
    empty: bool
    """Whether none of its numbers is defined."""


def _coded(text: str) -> Markup:
    """Return a sentence on one line, what stands between backticks in it as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(plain(text)))))


def _cells(part: Part) -> Iterator[_Row]:
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
        numbers = [cell.text for cell, own in zip(cells, part.columns, strict=True) if own.numeric]
        yield _Row(cells, bool(numbers) and set(numbers) == {UNDEFINED})


def _drawn(figure: Figure) -> dict[str, Any]:
    from cortexscope.document.drawing.plotly import interactive

    drawing = interactive(figure)
    return {
        **drawing._asdict(),
        "packed": packed(drawing.json),
        "numbers": packed_figure(figure),
    }


def _still(figure: Figure) -> str:
    """Return the address of a figure's picture, which holds it; empty where there is none."""
    if figure.still is None:
        return ""
    picture = figure.still()
    kind = "png" if picture.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"
