from __future__ import annotations

import base64
import csv
import dataclasses
import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from report.made_runs import MIXTURE, PAIR, ROUTED, SMALL, FakeModel, make_run

from cortexscope.document import Document, Section, render
from cortexscope.report import Written, build_tables, summary, tables_as, write_report
from cortexscope.store import Run

pytestmark = pytest.mark.slow

_HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "_under $x$ \\frac{",
    "two\nlines \x1b[31mred [bold]markup[/bold]",
)

FEW_EXPERTS = dataclasses.replace(MIXTURE, layers=3, heads=2, experts=4)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = [
        dataclasses.replace(FakeModel(), label=label, name=label, layers=2, heads=1)
        for label in _HOSTILE
    ]
    tasks = ["</script><b>task", "@SUM(1)"]
    return make_run(tmp_path_factory.mktemp("hostile") / "run", models, tasks=tasks, prompts=2)


@pytest.fixture(scope="module")
def written(hostile: Run) -> Written:
    return write_report(hostile)


class _Page(HTMLParser):
    """Collects what a page would load, and the text outside its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in ("script", "style") else ""
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has a handler"
            if name in ("src", "href", "srcset", "data", "action", "poster") and value:
                self.loads.append(value)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif not self._inside:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(written: Written) -> _Page:
    page = _Page()
    page.feed(written.report.read_text(encoding="utf-8"))
    return page


def test_the_report_loads_nothing(page: _Page, written: Written) -> None:
    assert all(target.startswith(("#", "data:image/")) for target in page.loads)
    assert "link" not in page.tags
    assert "iframe" not in page.tags
    text = written.report.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_labels_are_text_in_the_report(page: _Page) -> None:
    shown = "".join(page.text)
    for label in _HOSTILE:
        assert "".join(c if c.isprintable() else " " for c in label) in shown
    assert "</script><b>task" in shown
    # A bar of a chart has one of each.
    assert page.tags.count("b") == page.tags.count("i")
    # The data and numbers of 8 figures, a chooser, pages, plotly, and the page's own four scripts.
    assert page.tags.count("script") == 16 + 2 + 2 + 1 + 4
    found = []
    for data in page.scripts[:-5]:
        packed = gzip.decompress(base64.b64decode(data))
        if packed.startswith((b"{", b"[")):
            found.append(json.loads(packed))
    drawn = [own for own in found if "wide" in own]
    assert [set(own) - {"data", "steps"} for own in drawn] == [{"wide", "narrow"}] * 8
    (facts,) = (own for own in found if "grids" in own)
    assert any("</script><b>task" in own for own in facts["groups"])


def test_hostile_labels_are_text_in_sheets(written: Written) -> None:
    folder = written.tables[0].parent
    rows = list(csv.DictReader(io.StringIO((folder / "table1.csv").read_text(encoding="utf-8"))))
    assert "'=cmd|' /C calc'!A0" in {row["Model"] for row in rows}
    assert "'@SUM(1)" in {row["Category"] for row in rows}
    assert all(float(row["Final_Activation"]) for row in rows)
    book = openpyxl.load_workbook(folder / "tables.xlsx")
    for sheet in book:
        for line in sheet.iter_rows():
            assert all(cell.data_type != "f" for cell in line)
    first = book["Table 1"]
    assert "=cmd|' /C calc'!A0" in {cell.value for cell in first["A"]}
    assert first.freeze_panes == "B2"
    assert first["A1"].font.bold
    assert first["I2"].number_format == "0.0000"


def test_labels_stay_on_their_line_in_text_and_terminal(hostile: Run, written: Written) -> None:
    text = written.tables[0].read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "two lines  [31mred" in text
    said = render(summary(hostile), "terminal")
    assert isinstance(said, str)
    assert "\x1b" not in said
    assert "[bold]markup[/bold]" in said.replace("\n", "")
    assert max(map(len, said.splitlines())) <= 80


def test_every_file_is_there_and_nothing_else(hostile: Run, written: Written) -> None:
    names = {path.name for path in written.tables}
    assert names == {"tables.txt", "tables.xlsx", *(f"table{n}.csv" for n in range(1, 9))}
    assert {path.name for path in written.figures} == {
        f"{key}.{form}"
        for key in (
            *("task_matrix", "task_map", "length", "depth", "task_means", "heads"),
            *("specialisation", "brain"),
        )
        for form in ("png", "svg")
    }
    for path in (*written.tables, *written.figures, written.report):
        assert path.stat().st_size > 100
    assert not list(hostile.path.rglob(".part-*"))


def test_writing_again_gives_the_same_bytes(hostile: Run, written: Written) -> None:
    paths = (*written.tables, *written.figures, written.report)
    before = [path.read_bytes() for path in paths]
    write_report(hostile)
    assert [
        path.name for path, old in zip(paths, before, strict=True) if path.read_bytes() != old
    ] == []


def test_svg_text_is_well_formed(written: Written) -> None:
    import xml.etree.ElementTree as ET

    for path in written.figures:
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_undefined_is_a_dash_in_text_and_empty_in_csv(make: Callable[..., Run]) -> None:
    blind = dataclasses.replace(SMALL, attention=False)
    table = build_tables(make([blind], tasks=["language_tasks"], prompts=1))[1]
    text, sheet = tables_as([table], "text"), tables_as([table], "csv")
    values = next(csv.DictReader(io.StringIO(sheet)))
    assert values["Attention_Entropy"] == ""
    assert "–" in text
    assert "no attention layers" in text


@pytest.mark.parametrize(
    "options",
    [
        {"models": [SMALL], "tasks": ["language_tasks"], "prompts": 1},
        {"models": [SMALL, FakeModel()], "prompts": 1, "finished": False, "measured": 1},
        {"models": [SMALL], "prompts": 1, "finished": False, "measured": 0},
        {"models": [SMALL], "prompts": 1, "metrics": ("study.max_sparsity",)},
        {"models": [PAIR, SMALL], "prompts": 1, "finished": False, "measured": 0},
        {
            "models": [FEW_EXPERTS],
            "prompts": 1,
            "metrics": ("expert_load",),
            "tasks": ["language_tasks"],
        },
    ],
    ids=[
        "one prompt",
        "interrupted",
        "nothing yet",
        "one metric",
        "encoder-decoder not yet read",
        "experts only",
    ],
)
def test_a_run_is_reported_as_far_as_it_goes(
    make: Callable[..., Run], options: dict[str, object]
) -> None:
    run = make(**options)
    text = write_report(run).report.read_text(encoding="utf-8")
    assert ("This run is not finished" in text) == (run.manifest.status == "running")
    assert "Model" in str(render(summary(run), "terminal"))


def test_the_report_of_an_encoder_decoder_names_its_stacks(make: Callable[..., Run]) -> None:
    run = make([PAIR], tasks=["language_tasks"], prompts=2)
    text = write_report(run).report.read_text(encoding="utf-8")
    assert "Cross-attention: attention sink mass" in text
    assert "t5-small: the values here are those of the encoder, which reads the prompt" in text
    assert "0 of 2 prompts; of others the decoder" in text
    said = str(render(summary(run), "terminal"))
    assert "t5-small: the values here are those of the encoder" in said


def test_experts_are_drawn_in_the_report_and_as_a_file(make: Callable[..., Run]) -> None:
    run = make([FEW_EXPERTS, SMALL], tasks=["language_tasks"], prompts=1, metrics=ROUTED)
    written = write_report(run)
    assert {path.stem for path in written.figures} == {
        *("task_map", "length", "depth", "experts", "heads")
    }
    assert 'id="plot-experts"' in written.report.read_text(encoding="utf-8")


def test_an_undefined_cell_bears_its_reason(make: Callable[..., Run]) -> None:
    blind = dataclasses.replace(SMALL, label="mamba", attention=False)
    run = make([blind, FakeModel()], tasks=["language_tasks"], prompts=2)
    (table,) = build_tables(run, only=["complete"])
    (part,) = table.parts
    assert part.reasons[0, "Attention_Entropy"] == "no attention layers"
    assert {row for row, _ in part.reasons} == {0}
    assert table.footnotes == table.notes
    page = render(Document("", (Section("a", "", (table,)),)), "html")
    assert '<abbr title="no attention layers">–</abbr>' in str(page)


def test_what_no_column_of_the_summary_shows_is_not_counted_in_it(
    make: Callable[..., Run],
) -> None:
    run = make([SMALL], tasks=["language_tasks"], prompts=2, metrics=ROUTED)
    assert "Undefined" not in str(render(summary(run), "terminal"))


def test_the_report_says_what_is_missing_and_why(make: Callable[..., Run]) -> None:
    blind = dataclasses.replace(SMALL, attention=False)
    run = make([blind], tasks=["language_tasks"], prompts=2)
    text = write_report(run).report.read_text(encoding="utf-8")
    missing = text[text.index('id="missing"') :]
    row = re.search(
        r'<td class="wraps"><a [^>]*>Attention sink mass</a></td>.*?</tr>', missing, re.DOTALL
    )
    assert row is not None
    assert "no attention layers" in row[0]
    # 6 layers and 12 heads of 2 prompts.
    assert row[0].count('<td class="number">144</td>') == 2


def _modules(code: str) -> Iterator[str]:
    code = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    yield from json.loads(done.stdout.splitlines()[-1])


def test_importing_draws_in_no_heavy_package() -> None:
    heavy = {"torch", "transformers", "matplotlib", "plotly", "pandas", "jinja2", "xlsxwriter"}
    assert not heavy & set(_modules("import cortexscope.report, cortexscope.stats"))


def test_a_report_needs_neither_torch_nor_metrics(make: Callable[..., Run]) -> None:
    run = make([SMALL], tasks=["language_tasks"], prompts=1)
    code = (
        "from cortexscope.report import write_report\n"
        "from cortexscope.store import Run\n"
        f"write_report(Run({str(run.path)!r}))"
    )
    loaded = set(_modules(code))
    assert not {"torch", "transformers", "matplotlib.pyplot"} & loaded
    # Their names and tables, but none of their classes.
    metrics = {name for name in loaded if name.startswith("cortexscope.metrics.")}
    assert {
        name
        for name in metrics
        if not name.startswith(("cortexscope.metrics._", "cortexscope.metrics.base"))
    } == set()


def test_a_file_that_cannot_be_written_is_one_sentence(make: Callable[..., Run]) -> None:
    from cortexscope.errors import StoreError

    run = make([SMALL], tasks=["language_tasks"], prompts=1)
    Path(run.path / "tables").write_text("in the way")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        write_report(run)
