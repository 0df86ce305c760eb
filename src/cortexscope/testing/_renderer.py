"""Check that a format keeps its contract, on a document of everything that is hard to write."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cortexscope.document import (
    Bar,
    Bars,
    Column,
    Definition,
    Definitions,
    Document,
    Fact,
    Facts,
    Figure,
    Fold,
    HeatMap,
    Items,
    Part,
    Prose,
    Section,
    Span,
    Table,
    render,
)

__all__ = ["check_renderer", "made_document"]

_HOSTILE = (
    "<script>alert(1)</script>Tag",
    "=1+1Formula",
    "| a `b` *c* ~~d~~ &lt; Markdown",
    "# Heading",
    "two\nlines \x1b[31mEscape \u202eTurned",
    r"$x$ \frac{1}{2} % & _ ^ {Tex}",
    "文字 سلام Ünicode 👩\u200d🔬",
)
_WORDS = ("Tag", "Formula", "Markdown", "Heading", "Escape", "Turned", "Tex", "Ünicode", "文字")
"""A word of each hostile text, which no escaping changes."""
_DATA = ("csv",)
"""Formats whose cells keep every character, and which have no place for a reason."""
_REASON = "there was nothing to measure"


def made_document() -> Document:
    """Return a document with every kind of block, and texts that try to be more than text."""
    numbers = pd.DataFrame(
        {
            "name": list(_HOSTILE),
            "count": [0, *range(1, len(_HOSTILE))],
            "value": [np.nan, -0.00001, *([1234.5678] * (len(_HOSTILE) - 2))],
        }
    )
    columns = (Column("name"), Column("count", "integer"), Column("value", "number"))
    hard = Table(
        key="hard",
        title=_HOSTILE[0],
        notes=(_HOSTILE[5],),
        number=1,
        parts=(Part(numbers, columns, reasons={(0, "value"): _REASON}),),
    )
    wide = Table(
        key="wide",
        title="Wide",
        parts=(Part.of([f"c{number}" for number in range(60)], [["x" * 30] * 60]),),
    )
    empty = Table(key="empty", title="Empty", parts=(Part.of(["a", "b"], []),))
    words = tuple((text, Span(text, "strong"), Span(text, "code")) for text in _HOSTILE)
    figure = Figure(
        key="figure",
        title=_HOSTILE[0],
        caption=_HOSTILE[4],
        panels=(
            HeatMap(
                _HOSTILE[0], _HOSTILE, ("a", "b"), np.arange(2.0 * len(_HOSTILE)).reshape(-1, 2)
            ),
        ),
        notes=(_HOSTILE[5],),
        number=1,
    )
    inner: tuple[Prose | Facts | Bars | Fold, ...] = (
        Prose(_HOSTILE, "aside"),
        Facts((Fact(_HOSTILE[0], (Span(_HOSTILE[1], "badge", "bad"),), "bad"),), "cards", "Counts"),
        Bars((Bar(_HOSTILE[2], 1.0, -0.5, 2.0, "nats", "good"),)),
        Fold("One number", (Prose(_HOSTILE),)),
    )
    return Document(
        heading=_HOSTILE[0],
        title=_HOSTILE[1],
        brand="cortexscope",
        lead=(Prose(_HOSTILE, "warning"), Facts((Fact("Models", "2"),), "glance")),
        sections=(
            Section("first", _HOSTILE[3], (Prose(words, "list"), Items((inner, (Prose(("x",)),))))),
            Section("tables", "Tables", (hard, wide, empty, figure)),
            Section(
                "defined",
                "Definitions",
                (Section("deep", "Deeper", (Definitions((Definition(_HOSTILE[0], "m"),)),)),),
            ),
        ),
    )


def check_renderer(form: str) -> None:
    """Check that a format shows a document whole, the same each time, and as text.

    No character of a text is lost to the format, a table may be empty or wide, an undefined number
    is never a number, its reason stands with it, and nothing steers a terminal.

    Args:
        form: of `cortexscope.document.FORMATS`.

    Raises:
        AssertionError: naming what does not hold.
    """
    document = made_document()
    found = render(document, form)
    assert found == render(document, form), f"{form}: the same document gives other bytes."
    for least in (Document("", ()), Document("Title", (Section("a", "", ()),))):
        assert isinstance(render(least, form), type(found)), f"{form}: nothing to show fails."
    if isinstance(found, bytes):
        assert found, f"{form}: nothing was written."
        return
    if form not in _DATA:
        steering = {c for c in "\x1b\u202e" if c in found}
        assert not steering, f"{form}: {steering} steers a terminal; use cortexscope.texts.plain."
    # A narrow column may break a word.
    seen = "".join(found.split())
    for word in _WORDS:
        assert word.casefold() in seen.casefold(), f"{form}: {word!r} of a cell is lost."
    assert "nan" not in found.casefold().split(), f"{form}: an undefined number is shown as one."
    if form not in _DATA:
        reason = "".join(_REASON.split())
        assert reason in seen, f"{form}: the reason of an undefined cell is lost."
