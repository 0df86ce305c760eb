from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import re
from html.parser import HTMLParser

import openpyxl
import pytest

from cortexscope.document import (
    FORMATS,
    Bar,
    Bars,
    Column,
    Document,
    Part,
    Prose,
    Section,
    Span,
    Table,
    render,
)
from cortexscope.errors import UnknownNameError
from cortexscope.testing import check_renderer, made_document


def _text(form: str, *blocks: Prose | Table | Bars) -> str:
    return str(render(Document("", (Section("a", "", blocks),)), form))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS.names())
def test_every_format_keeps_the_contract(form: str) -> None:
    check_renderer(form)


def test_a_misspelt_format_is_one_sentence() -> None:
    with pytest.raises(UnknownNameError, match="no format 'markdwon'; did you mean 'markdown'"):
        render(made_document(), "markdwon")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.titles: list[str] = []
        self.packed = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.packed += tag == "script" and ("type", "text/plain") in attrs
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(str(value))
            if name == "href":
                self.links.append(str(value))
            if name == "title":
                self.titles.append(str(value))


def test_a_page_runs_nothing_but_its_own_scripts() -> None:
    page = _Page()
    page.feed(str(render(made_document(), "html")))
    # The figure's data and numbers, plotly, which are no scripts before they are unpacked, and the
    # page's own.
    assert page.tags.count("script") == 5
    assert page.tags.count("script") - page.packed == 2
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert "there was nothing to measure" in page.titles


def test_a_page_may_run_its_own_scripts_alone() -> None:
    """Known by hashes, those of one without figures too."""
    for page, count in (
        (_text("html", Prose(("plain",))), 1),
        (str(render(made_document(), "html")), 3),
    ):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy is not None
        allowed = re.findall(r"'sha256-([^']+)'", policy[1])
        listed = "".join(f" 'sha256-{own}'" for own in allowed)
        assert f"script-src{listed};" in policy[1]
        scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        packed = re.search(r'id="plotly">([^<]*)<', page)
        if packed:
            scripts.append(gzip.decompress(base64.b64decode(packed[1])).decode())
        digests = [hashlib.sha256(own.encode()).digest() for own in scripts]
        hashed = [base64.b64encode(digest).decode() for digest in digests]
        assert sorted(hashed) == sorted(allowed)
        assert len(hashed) == count


def test_words_lead_to_other_places() -> None:
    page = _text("html", Prose((("see ", Span("there", to="table-t")),)))
    assert 'see <a href="#table-t">there</a>' in page


def test_a_page_shows_what_is_typed_as_code_and_nothing_else_as_markup() -> None:
    page = _text("html", Prose(("`cortexscope stats` has <b>more</b>`", ("see `a & b`", "`"))))
    assert "<code>cortexscope stats</code> has &lt;b&gt;more&lt;/b&gt;`" in page
    assert "see <code>a &amp; b</code>`" in page


def test_markdown_shows_what_begins_like_markup() -> None:
    lines = _text("markdown", Prose(("# a", "- b", "1. c", "-0.5"))).split("\n\n")
    assert [line.strip() for line in lines] == ["\\# a", "\\- b", "1\\. c", "\\-0.5"]


def test_a_formula_is_text_in_sheets() -> None:
    rows = csv.reader(io.StringIO(str(render(made_document(), "csv"))))
    assert "'=1+1Formula" in {cell for row in rows for cell in row}
    content = render(made_document(), "xlsx")
    assert isinstance(content, bytes)
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["Table 1", "Wide", "Empty", "Notes"]
    assert all(cell.data_type != "f" for sheet in book for row in sheet.rows for cell in row)


def test_a_reason_is_said_once() -> None:
    column = Column("x", "number")
    part = Part.of(["name", column], [["a", float("nan")], ["b", float("nan")]])
    reasons = {(0, "x"): "no heads", (1, "x"): "no heads"}
    part = Part(part.frame, part.columns, reasons=reasons)
    assert Table("t", "T", (part,)).footnotes == ("Undefined, x: no heads.",)
    said = ("a has none (No heads).",)
    assert Table("t", "T", (part,), notes=said).footnotes == said


def test_bars_of_one_unit_share_a_scale_and_zero() -> None:
    bars = Bars((Bar("a", 1.0, 0.0, 2.0, "nats"), Bar("b", 3.0, 2.0, 4.0, "nats")))
    assert [bars.places(bar)[3] for bar in bars.bars] == [2.0, 2.0]
    assert bars.places(bars.bars[0])[2] == bars.places(bars.bars[1])[0] == 50.0
    assert _text("text", bars) == "a: 1 [0, 2] nats\nb: 3 [2, 4] nats\n"
