"""The three files of an audit, and how they are asked for."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from audit.made_audit_runs import DECODER, by_length, make_run
from audit.made_tables import cells_of, figures_of, planted, text_of

from cortexscope.audit import (
    Audit,
    Check,
    Judged,
    Quantity,
    audit_study,
    first_screen,
    write_audit,
)
from cortexscope.audit._document import rank_text
from cortexscope.audit._lead import lead_text
from cortexscope.audit._records import VERDICTS
from cortexscope.cli import main
from cortexscope.errors import RunExistsError

_TEXT = text_of(cells_of())


@pytest.fixture(scope="module")
def wrong_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables in which one mean of Table 2 and one cell of Table 1 are changed."""
    figures = figures_of(_TEXT)
    mean = next(f for f in figures if f.table == 2 and f.column == "Attention_Entropy")
    cell = next(f for f in figures if f.table == 1 and f.column == "Max_Sparsity")
    text = planted(planted(_TEXT, mean, mean.moved(5000)), cell, cell.moved(900))
    path = tmp_path_factory.mktemp("files") / "tables.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def audit(wrong_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    run = make_run(tmp_path_factory.mktemp("runs") / "mine", by_length)
    return audit_study(published=[wrong_file], run=run)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.loads += [value for name in ("src", "srcset", "data") if (value := own.get(name))]
        self.ids += [value for name in ("id",) if (value := own.get(name))]
        if tag in ("a", "link") and (target := own.get("href")):
            self.links.append(target)
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def _page(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def test_all_three_files_name_every_wrong_figure(audit: Audit, tmp_path: Path) -> None:
    files = write_audit(audit, tmp_path / "out")
    assert len(audit.wrong) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "audit.md", "audit.html", "audit.json",
    }  # fmt: skip
    page = " ".join(" ".join(_page(files.html).text).split())
    markdown = files.markdown.read_text(encoding="utf-8").replace("\\", "")
    content = json.loads(files.json.read_text(encoding="utf-8"))
    for wrong, stored in zip(audit.wrong, content["wrong"], strict=True):
        for field in ("table", "row", "column", "place", "printed", "recomputed", "why"):
            assert stored[field] == getattr(wrong, field)
            assert stored[field] in page
            assert stored[field] in markdown
    assert content["counts"]["the published files"] == {
        verdict: audit.count("the published files", verdict) for verdict in VERDICTS
    }


@pytest.mark.parametrize("found", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null_in_json(
    found: float, audit: Audit, tmp_path: Path
) -> None:
    check = Check("the published files", "holds", "So: 1 ± 0.", (Quantity("q", None, found, 0.5),))
    odd = replace(audit, claims=(Judged("odd", "It is odd.", (1,), (check,)),))
    text = write_audit(odd, tmp_path).json.read_text(encoding="utf-8")

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    (claim,) = json.loads(text, parse_constant=refused)["claims"]
    assert claim["checks"][0]["sentence"] == "So: 1 ± 0."
    (quantity,) = claim["checks"][0]["quantities"]
    assert (quantity["found"], quantity["low"], quantity["high"]) == (None, 0.5, None)


def test_the_difference_in_the_published_tables_stands_beside_the_runs(audit: Audit) -> None:
    checks = next(claim.checks for claim in audit.claims if claim.id == "entropy-highest")
    means = cells_of().groupby("Category")["Attention_Entropy"].mean()
    lead = means.pop("mathematical_reasoning") - means.max()
    assert checks[-1].quantities[-1].found == pytest.approx(lead, abs=1e-3)
    assert f"In the study's tables the difference is {lead:.3g} nats." in checks[-1].sentence


def test_every_claim_is_in_all_three_files(audit: Audit, tmp_path: Path) -> None:
    files = write_audit(audit, tmp_path)
    page = " ".join(" ".join(_page(files.html).text).split())
    markdown = files.markdown.read_text(encoding="utf-8").replace("\\", "")
    content = json.loads(files.json.read_text(encoding="utf-8"))
    for claim, stored in zip(audit.claims, content["claims"], strict=True):
        assert claim.words == stored["words"]
        assert claim.words in page
        assert claim.words in markdown
        for check in claim.checks:
            for own in (check, *(reading.check for reading in check.readings)):
                for text in (own.sentence, *own.caveats, *map(lead_text, own.leads)):
                    assert text in page
                    assert text in markdown
                for rank in (rank for lead in own.leads for rank in lead.ranks):
                    assert rank_text(rank) in page
                    assert rank_text(rank) in markdown
            for reading in check.readings:
                assert reading.words in page
                assert reading.words in markdown
        for caveat in claim.caveats:
            assert caveat in page
            assert caveat in markdown
    for note in audit.notes:
        assert note in page
        assert note in markdown


def test_the_page_needs_no_network_and_its_links_lead_somewhere(
    audit: Audit, tmp_path: Path
) -> None:
    page = _page(write_audit(audit, tmp_path).html)
    assert page.loads == []
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_first_screen_has_the_counts_of_each_source(audit: Audit) -> None:
    lines = first_screen(audit).splitlines()
    assert audit.sources == ("the published files", "the run's other models")
    rule = next(number for number, line in enumerate(lines) if set(line) == {"─"})
    # A heading has a word a line, one column beside the other.
    heads = " ".join(lines[1:rule]).split()
    assert sorted(heads) == sorted(["claims", *" ".join(audit.sources).split()])
    assert max(map(len, lines)) <= 100
    for verdict in VERDICTS:
        counts = [audit.count(source, verdict) for source in audit.sources]
        line = next((line for line in lines[rule + 1 :] if line.startswith(f"{verdict}  ")), "")
        assert [int(word) for word in line.split() if word.isdigit()] == (counts if line else [])
        assert line or not any(counts)
    assert "2 figures are wrong" in first_screen(audit)


def test_hostile_labels_stay_text(tmp_path: Path) -> None:
    evil = "<img/src=x>|**b**"
    text = _TEXT.replace("GPT2-117M", evil)
    path = tmp_path / "tables.txt"
    path.write_text(text, encoding="utf-8")
    files = write_audit(audit_study(published=[path]), tmp_path / "out")
    page = files.html.read_text(encoding="utf-8")
    assert "<img" not in page
    assert evil in " ".join(_page(files.html).text)
    assert "<img" not in files.markdown.read_text(encoding="utf-8").replace("\\<img", "")
    rows = [line for line in files.markdown.read_text(encoding="utf-8").splitlines()
            if line.startswith("| ") and "src=x" in line]  # fmt: skip
    assert rows
    assert all("\\|\\*\\*b" in row for row in rows)


def test_an_audit_is_not_replaced_unasked(audit: Audit, tmp_path: Path) -> None:
    write_audit(audit, tmp_path)
    before = (tmp_path / "audit.json").read_bytes()
    with pytest.raises(RunExistsError, match="--force"):
        write_audit(audit, tmp_path)
    write_audit(audit, tmp_path, force=True)
    assert (tmp_path / "audit.json").read_bytes() == before


def test_the_command_audits_the_study_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "study", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "the claims' own figures" in printed
    assert printed.rstrip().endswith("audit.html")


def test_wrong_figures_are_no_failure(
    wrong_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["audit", "study", "--published", str(wrong_file), "--out", out]) == 0
    assert "2 figures are wrong" in capsys.readouterr().out
    assert main(["audit", "--help"]) == 0
    assert "its exit code is 0" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_run_is_named_by_its_folder_or_beside_the_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "mine", by_length, models=[DECODER], prompts=8)
    assert main(["audit", str(run), "--out", str(tmp_path / "a")]) == 0
    assert main(["audit", "study", "--run", str(run), "--out", str(tmp_path / "b")]) == 0
    assert "the run's other models" in capsys.readouterr().out
    assert (tmp_path / "a" / "audit.json").read_bytes() == (
        tmp_path / "b" / "audit.json"
    ).read_bytes()


def _spreadsheet(path: Path, title: str, rows: list[list[object]]) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


@pytest.mark.slow
def test_wrong_use_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _TEXT.splitlines(keepends=True)
    row = next(n for n, line in enumerate(lines) if "gpt2" in line)
    figure = next(f for f in figures_of(_TEXT) if f.table == 3)
    written = {
        "notes.txt": "Nothing of the kind.\n",
        "binary.txt": "\0\1\2",
        "prose.py": "This is no script.\n",
        "cut-in-a-row.txt": "".join(lines[: row + 1])[:-30],
        "cut-after-a-row.txt": "".join(lines[: row + 1]),
        "cut-in-the-last-list.txt": _TEXT.rstrip().rpartition("\n")[0],
        "word-for-a-figure.txt": planted(_TEXT, figure, "many"),
        "row-twice.txt": "".join([*lines[: row + 1], lines[row], *lines[row + 1 :]]),
    }
    for name, text in written.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    book = _spreadsheet(tmp_path / "other.xlsx", "Sales", [["Year", "Sum"], [2024, 5]])
    heads: list[object] = ["Task", "Model", "Brain_Region", "Activity_Level"]
    _spreadsheet(tmp_path / "word.xlsx", "Master", [heads, ["Logic", "gpt2", "Amygdala", "much"]])
    (tmp_path / "cut.xlsx").write_bytes(book.read_bytes()[:700])
    (tmp_path / "empty").mkdir()
    expected = {
        "notes.txt": "is not a file of the study's tables",
        "binary.txt": "neither text nor a spreadsheet",
        "prose.py": "prose.py is no Python file",
        "cut-in-a-row.txt": f"line {row + 1} has",
        "cut-after-a-row.txt": "is cut short: it has no Table 2",
        "cut-in-the-last-list.txt": "is cut short: its last list",
        "word-for-a-figure.txt": "'many', which is no number",
        "row-twice.txt": "stand in Table 1 twice",
        "other.xlsx": "is none of the study's files",
        "word.xlsx": "'Master', row 2: Activity_Level is 'much'",
        "cut.xlsx": "damaged spreadsheet",
        "empty": "has no .txt or .xlsx file",
        "absent.txt": "There is no file",
    }
    for name, sentence in expected.items():
        out = tmp_path / "out"
        given = ["audit", "study", "--published", str(tmp_path / name), "--out", str(out)]
        assert main(given) == 2, name
        captured = capsys.readouterr()
        assert captured.err.startswith("Error: ")
        assert captured.err.count("\n") == 1
        assert sentence in captured.err, name
        assert not out.exists()


def test_two_runs_or_two_files_of_tables_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "mine", "--run", "other"]) == 2
    assert "give one of them" in capsys.readouterr().err
    assert main(["audit", "studdy"]) == 2
    assert "There is no folder studdy; give `study`" in capsys.readouterr().err
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(_TEXT, encoding="utf-8")
    assert main(["audit", "study", "--published", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "hold Table 1" in capsys.readouterr().err


def test_a_spreadsheet_of_the_tables_is_audited_like_the_text(tmp_path: Path) -> None:
    cells = cells_of()
    rows = [list(cells.columns), *cells.itertuples(index=False)]
    path = _spreadsheet(tmp_path / "cells.xlsx", "Table 1", [list(row) for row in rows])
    audit = audit_study(published=[path])
    assert audit.wrong == ()
    assert audit.files[0].holds == "Table 1"
    checks = {claim.id: claim.checks[0] for claim in audit.claims}
    assert checks["entropy-highest"].verdict == "holds on average only"


def test_importing_the_audit_loads_nothing_heavy() -> None:
    code = (
        "import sys, cortexscope.audit; "
        "print(sorted({'torch', 'pandas', 'scipy', 'jinja2', 'openpyxl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
