from __future__ import annotations

import dataclasses
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from report.made_runs import PAIR, SMALL, FakeModel, prompts_of, spec_of

from cortexscope.cli import main
from cortexscope.document import Column, Document, Part, Section, Table, render
from cortexscope.errors import UnknownNameError
from cortexscope.report import WORKBOOKS, build_workbook, write_workbooks
from cortexscope.report.workbooks.sheets import leaders, raw
from cortexscope.store import Run

_RESULTS = ["Overview", "Key insights", "Model profiles", "Task analysis", "Family comparison"]
_RESULTS += ["Layer networks", "Raw data", "Metrics", "Notes"]
_TABLES = ["Overview", "Master", "Task summary", "Model comparison", "Layer bands"]
_TABLES += ["Highest values", "Insights", "Matrix", "Metrics", "Notes"]
_HOSTILE = ("=1+1", "a\x1b[31mred\x00\nsecond", "@SUM(1)|'x'!A1", "x" * 40_000)


def _book(content: str | bytes) -> Any:
    assert isinstance(content, bytes)
    return openpyxl.load_workbook(io.BytesIO(content))


def _made(*tables: Table) -> Any:
    return _book(render(Document("", (Section("a", "", tables),)), "xlsx"))


def _sheet_of(part: Part, title: str = "Sheet") -> Any:
    return _made(Table("key", title, (part,)))[title]


@pytest.fixture
def few(make: Callable[..., Run]) -> Run:
    models = [FakeModel(heads=2), dataclasses.replace(SMALL, heads=2)]
    return make(models, tasks=["language_tasks", "technical_code", "logical_puzzles"], prompts=4)


# What the format can do.


def test_numbers_are_numbers_with_as_many_digits_as_are_shown() -> None:
    columns = (Column("a"), Column("b", "number", digits=4), Column("c", "integer"))
    rows = [("x", 0.0123456, 1234567), ("y", 123456.7, 1), (3, 1.5e-7, 2), ("z", 20.0, 3)]
    sheet = _sheet_of(Part.of(columns, rows))
    assert [cell.value for cell in sheet["B"][1:]] == [0.0123456, 123456.7, 1.5e-7, 20.0]
    shown = [cell.number_format for cell in sheet["B"][1:]]
    assert shown == ["0.00000", "#,##0", "0.000E+00", "#,##0"]
    assert [cell.value for cell in sheet["C"][1:]] == [1234567, 1, 2, 3]
    assert sheet["A4"].value == 3


def test_an_undefined_cell_is_empty_and_bears_its_reason() -> None:
    columns = (Column("a"), Column("b", "number", note="what b is"))
    part = Part.of(columns, [("x", float("nan")), ("y", None), ("z", float("inf"))])
    part = dataclasses.replace(part, reasons={(0, "b"): "no heads", (1, "b"): "=one prompt"})
    sheet = _sheet_of(part)
    assert [cell.value for cell in sheet["B"][1:]] == [None, None, "inf"]
    assert sheet["B1"].comment.text == "what b is"
    assert sheet["B2"].comment.text == "no heads"
    assert sheet["B3"].comment.text == "=one prompt"


def test_columns_that_ask_for_it_are_coloured_block_by_block() -> None:
    columns = (
        *(Column("m"), Column("h", "number", graded="high")),
        *(Column("z", "number", graded="zero"), Column("plain", "number")),
    )
    rows = [("a", 1.0, -2.0, 1.0), ("a", 2.0, 1.0, 1.0), ("b", 9.0, None, 1.0)]
    part = dataclasses.replace(Part.of(columns, rows), within=("m",))
    rules = {
        str(where.sqref): where.rules[0].colorScale
        for where in _sheet_of(part).conditional_formatting
    }
    # A block without any value has nothing to colour.
    assert set(rules) == {"B2:B3", "B4", "C2:C3"}
    assert [own.type for own in rules["B2:B3"].cfvo] == ["min", "percentile", "max"]
    assert [float(own.val) for own in rules["C2:C3"].cfvo] == [-2, 0, 2]


def test_names_stay_in_view_and_every_sheet_can_be_filtered_and_printed() -> None:
    columns = (Column("Metric"), Column("Model"), Column("Mean", "number"), Column("Why"))
    sheet = _sheet_of(Part.of(columns, [("a", "b", 1.0, "c")]))
    assert sheet.freeze_panes == "C2"
    assert sheet.auto_filter.ref == "A1:D2"
    assert sheet.print_title_rows == "$1:$1"
    assert sheet.print_title_cols == "$A:$B"
    assert sheet.page_setup.orientation == "landscape"
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) in ((1, 0), (None, 0))


def test_a_sheet_bears_the_title_as_far_as_it_can() -> None:
    part = Part.of(["a"], [["x"]])
    titles = ("Notes", "notes", "a/b:[c]*?\\'d'", "", "long " * 20, "long " * 20, "History")
    names = _made(*(Table("k", title, (part,)) for title in titles)).sheetnames
    assert names == [
        *("Notes 2", "notes 3", "a b c d", "Sheet 4", "long long long long long long l"),
        *("long long long long long long 2", "History 2", "Notes"),
    ]


def test_texts_are_text_whatever_they_hold() -> None:
    sheet = _sheet_of(Part.of([*_HOSTILE[:3], "plain"], [list(_HOSTILE)]))
    heads, cells = [[cell.value for cell in row] for row in sheet.rows]
    assert heads == ["=1+1", "a [31mred  second", "@SUM(1)|'x'!A1", "plain"]
    assert cells[:3] == ["=1+1", "a [31mred \nsecond", "@SUM(1)|'x'!A1"]
    assert cells[3] == "x" * 32_766 + "…"
    assert all(cell.data_type != "f" for row in sheet.rows for cell in row)


def test_more_rows_than_a_sheet_holds_are_said_to_be_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in ("cortexscope.document.formats._sheet", "cortexscope.document.formats.xlsx"):
        monkeypatch.setattr(f"{place}.MOST_ROWS", 3)
    book = _made(Table("k", "Long", (Part.of(["a"], [["x"]] * 5),)))
    assert book["Long"].max_row == 4
    notes = [cell.value for cell in book["Notes"]["B"]]
    assert "The last 2 rows are left out: a sheet has no room for them." in notes


# What the two workbooks hold.


@pytest.mark.slow
def test_two_workbooks_hold_their_sheets(few: Run) -> None:
    paths = write_workbooks(few)
    assert [path.relative_to(few.path).as_posix() for path in paths] == [
        f"workbooks/{key}.xlsx" for key in WORKBOOKS.names()
    ]
    for path, names in zip(paths, (_RESULTS, _TABLES), strict=True):
        book = openpyxl.load_workbook(path)
        assert book.sheetnames == names
        for sheet in book.worksheets[:-1]:
            heads = [cell.value for cell in sheet[1]]
            assert len(set(heads)) == len(heads), sheet.title
    overview = [list(row) for row in book["Overview"].iter_rows(values_only=True)]
    assert ["Extent", "Models measured", 2, ""] in overview
    assert ["Extent", "Readings", 24, "prompts read by a model"] in overview
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_workbooks(few)] == before


@pytest.mark.slow
def test_failed_models_are_counted_once_and_said_why(make: Callable[..., Run]) -> None:
    models = [SMALL, FakeModel(), PAIR]
    run = make(models, tasks=["language_tasks"], prompts=2, finished=False, measured=1)
    manifest = run.manifest.model_copy(update={"notes": {"t5-small": ["read with care"]}})
    (run.path / "manifest.json").write_text(manifest.model_dump_json())
    sheets = {table.title: table for table in build_workbook(Run(run.path), "results").tables}
    failed = sheets["Failed models"].frame
    assert list(failed["Model"]) == ["SmolLM2-135M", "t5-small"]
    assert failed["Why"].iloc[1] == "not measured yet: the run is not finished; read with care"
    assert list(sheets["Model profiles"].frame["Model"]) == [SMALL.label]
    overview = sheets["Overview"].frame.set_index("What")
    assert overview.loc["Models measured", "Value"] == 1
    assert overview.loc["Models measured", "Remark"] == "2 more without a measurement"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"prompts": 1}, {"Failed models": "none: every model has measurements"}),
        (
            {"prompts": 2, "metrics": ("study.max_sparsity",)},
            {"Layer networks": "no metric that is looked at closely has values of several layers"},
        ),
        (
            {"prompts": 1, "finished": False, "measured": 0},
            {
                "Raw data": "no prompt was read yet",
                "Model profiles": "no model has a measurement",
                "Task analysis": "no prompt was read yet",
            },
        ),
    ],
    ids=["one prompt", "one metric", "nothing yet"],
)
def test_a_sheet_that_a_run_has_nothing_for_is_left_out_with_the_reason(
    make: Callable[..., Run], options: dict[str, Any], left: dict[str, str]
) -> None:
    run = make([SMALL], tasks=["language_tasks"], **options)
    for key in WORKBOOKS.names():
        assert _book(render(build_workbook(run, key), "xlsx")).sheetnames[0] == "Overview"
    document = build_workbook(run, "results")
    overview = document.tables[0].frame.set_index("What")
    for title, why in left.items():
        assert tuple(overview.loc[title, ["Value", "Remark"]]) == ("left out", why)
        assert title not in [table.title for table in document.tables]
    tables = build_workbook(run, "tables").tables[0].frame.set_index("What")
    assert tables.loc["Model comparison", "Remark"] == "fewer than two models were measured"


@pytest.mark.slow
def test_one_model_tells_nothing_of_its_family(few: Run) -> None:
    tables = {table.title: table for table in build_workbook(few, "results").tables}
    (part,) = tables["Family comparison"].parts
    low = "Residual norm, low 95 % (hidden-state units)"
    # Both made models are of one family.
    assert list(part.frame["Models"]) == [2]
    assert part.frame[low].notna().all()
    sheet = tables["Model profiles"]
    assert sheet.frame["Family"].eq("llama").all()


@pytest.mark.slow
def test_only_a_metric_with_a_direction_calls_a_model_the_best(
    few: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaders, "_BETTER", {"near_zero_fraction": "lower"})
    tables = {table.title: table for table in build_workbook(few, "tables").tables}
    frame = tables["Highest values"].frame
    said = frame.groupby("What")["Metric"].unique()
    assert list(said["best (lowest) model"]) == ["near_zero_fraction"]
    assert "near_zero_fraction" not in said["highest model"]
    rows = few.measurements(metrics=["near_zero_fraction"])
    means = rows.groupby(["model", "prompt_id"])["value"].mean().groupby("model").mean()
    best = frame[(frame["What"] == "best (lowest) model") & (frame["Of"] == "all tasks")].iloc[0]
    assert best["Is"] == means.idxmin()
    assert best["Ahead by"] == pytest.approx(means.max() - means.min())


@pytest.mark.slow
def test_raw_data_of_a_model_without_attention_says_why(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "_MOST", 5)
    blind = dataclasses.replace(SMALL, label="mamba", attention=False)
    run = make([blind, FakeModel(heads=2)], tasks=["language_tasks"], prompts=3)
    tables = {table.title: table for table in build_workbook(run, "results").tables}
    sheet = tables["Raw data"]
    (part,) = sheet.parts
    assert list(part.frame["Model"]) == ["mamba"] * 3 + ["SmolLM2-135M"] * 2
    assert list(part.frame["Prompt"][:3]) == [own.id for own in prompts_of(["language_tasks"], 3)]
    assert part.frame["Attention sink mass"].isna().tolist() == [True] * 3 + [False] * 2
    assert part.reasons[0, "Attention sink mass"] == "no attention layers"
    assert sheet.notes[1] == "1 more rows are left out: a sheet has no room for them."


@pytest.mark.slow
def test_every_metric_is_defined_with_unit_source_and_version(few: Run) -> None:
    for key in WORKBOOKS.names():
        table = build_workbook(few, key).tables[-1]
        frame = table.frame.set_index("Metric")
        assert list(frame.index) == list(few.manifest.metrics)
        for name in frame.index:
            spec = spec_of(name)
            row = frame.loc[name]
            assert (row["Unit"], row["Definition"], row["Source"], row["Version"]) == (
                *(spec.unit, spec.definition, spec.source, spec.version),
            )


@pytest.mark.slow
def test_hostile_labels_are_text_in_workbooks(make: Callable[..., Run]) -> None:
    labels = ("=cmd|' /C calc'!A0", "Highest", "two\nlines \x1b[31m")
    models = [
        dataclasses.replace(FakeModel(), label=label, name=label, layers=3, heads=1)
        for label in labels
    ]
    run = make(models, tasks=["</b>task", "@SUM(1)"], prompts=3)
    for path in write_workbooks(run):
        book = openpyxl.load_workbook(path)
        cells = [cell for sheet in book for row in sheet.rows for cell in row]
        assert all(cell.data_type != "f" for cell in cells)
        texts = {cell.value for cell in cells}
        assert {"=cmd|' /C calc'!A0", "@SUM(1)", "</b>task"} <= texts
        assert "two\nlines  [31m" in texts
    heads = [cell.value for cell in book["Matrix"][1]]
    assert "Highest (model)" in heads


@pytest.mark.slow
def test_the_command_writes_what_is_asked_for(
    few: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "books"
    assert main(["workbooks", str(few.path), "--only", "tables", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out / 'tables.xlsx'}\n"
    assert [path.name for path in out.iterdir()] == ["tables.xlsx"]
    assert main(["workbooks", str(few.path), "--only", "table"]) == 2
    assert "no workbook 'table'; did you mean 'tables'" in capsys.readouterr().err
    with pytest.raises(UnknownNameError):
        build_workbook(few, "result")


@pytest.mark.slow
def test_a_spreadsheet_program_opens_both_and_prints_every_sheet(few: Run, tmp_path: Path) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is not installed")
    paths = write_workbooks(few)
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    command = [office, "--headless", home, "--convert-to", "pdf", "--outdir", str(tmp_path)]
    subprocess.run([*command, *map(str, paths)], check=True, capture_output=True, timeout=300)
    # It reads every cell as it was written.
    command[command.index("pdf")] = "xlsx:Calc MS Excel 2007 XML"
    subprocess.run([*command, *map(str, paths)], check=True, capture_output=True, timeout=300)
    for path in paths:
        pages = (tmp_path / f"{path.stem}.pdf").read_bytes()
        assert pages.startswith(b"%PDF")
        assert len(pages) > 20_000
        own = pd.read_excel(path, sheet_name=None, header=None)
        again = pd.read_excel(tmp_path / path.name, sheet_name=None, header=None)
        assert list(own) == list(again)
        for name, frame in own.items():
            other = again[name].reindex(index=frame.index, columns=frame.columns)
            assert frame.isna().equals(other.isna()), name
            numbers = frame.map(lambda cell: isinstance(cell, int | float)).to_numpy()
            np.testing.assert_allclose(
                frame.to_numpy()[numbers].astype(float),
                other.to_numpy()[numbers].astype(float),
                rtol=1e-12,
            )
