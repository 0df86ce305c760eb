"""What the sections of a report are made of, held against the rows of the run."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from numpy.typing import NDArray
from report.made_runs import BIG, METRICS, MIXTURE, ROUTED, SMALL, make_run

from cortexscope.audit import audit_study
from cortexscope.cli import main
from cortexscope.document import Chooser, Document, Figure, Pages, Section, render
from cortexscope.document.formats._packed import packed_chooser, packed_pages
from cortexscope.errors import UsageError
from cortexscope.report import _pages, build_report, build_tables
from cortexscope.report._labels import Labels
from cortexscope.report._methods import bibliography, methods
from cortexscope.report._origins import Origin
from cortexscope.report._shown import Shown
from cortexscope.store import Measurements, Run

pytestmark = pytest.mark.slow

_MODELS = (BIG, SMALL)
_RIGHT = 2.0**-16
"""How far numbers of a page lie from those of the store, at most."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("sections") / "run", _MODELS, prompts=4)


@pytest.fixture(scope="module")
def document(run: Run) -> Document:
    return build_report(run)


def _section(document: Document, key: str) -> Document:
    return Document("", (next(own for own in document.sections if own.key == key),))


def _unpacked(packed: str) -> NDArray[np.float64]:
    """Numbers as the page unpacks them: all first bytes, then all second ones."""
    apart = np.frombuffer(gzip.decompress(base64.b64decode(packed)), dtype="u1")
    return apart.reshape(4, -1).T.copy().view("<f4").ravel().astype("float64")


def _facts(packed: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_a_report_asks_its_questions_in_order(document: Document) -> None:
    assert [own.key for own in document.sections] == [
        *("answer", "tasks", "models", "layers", "heads", "neurons", "prompts", "length"),
        *("metrics", "brain", "method", "missing"),
    ]
    numbers = [own.number for own in document.figures]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sorted(own.number for own in document.tables if own.number) == list(range(1, 9))


def test_every_value_can_be_chosen(run: Run, document: Document) -> None:
    """Layer by layer, head by head, of all prompts and of each task."""
    (chooser,) = (b for b in _section(document, "metrics").blocks if isinstance(b, Chooser))
    packed, numbers = packed_chooser(chooser)
    facts, flat = _facts(packed), _unpacked(numbers)
    rows = run.measurements()
    titles = {Labels(run.manifest.metrics).axis(name): name for name in run.manifest.metrics}
    at, compared = 0, 0
    for grid in facts["grids"]:
        size = int(np.prod(grid["shape"]))
        values = flat[at : at + size].reshape(grid["shape"])
        at += size
        metric = titles[grid["title"]]
        own = rows[(rows["metric"] == metric) & (rows["model"] == grid["series"])]
        own = own[own["layer"].notna()]
        for group, name in enumerate(facts["groups"]):
            part = own if group == 0 else own[own["task"].str.replace("_", " ") == name]
            keys = ["layer", "head"] if grid["heads"] else ["layer"]
            for key, value in part.groupby(keys)["value"].mean().items():
                layer, head = key if grid["heads"] else (key, 0)
                place = int(layer) - grid["first"], int(head)
                if np.isnan(value):
                    assert np.isnan(values[group][place])
                else:
                    assert values[group][place] == pytest.approx(value, rel=_RIGHT)
                    compared += 1
    assert at == len(flat)
    assert compared > 500
    assert facts["groups"][0] == "All prompts"


def test_a_prompt_has_a_page_with_every_metric(run: Run, document: Document) -> None:
    (pages,) = (b for b in _section(document, "prompts").blocks if isinstance(b, Pages))
    packed, numbers = packed_pages(pages)
    facts, flat = _facts(packed), _unpacked(numbers)
    shape = len(facts["names"]), len(facts["series"]), len(facts["metrics"])
    size = int(np.prod(shape))
    values = flat[:size].reshape(shape)
    means, spreads = flat[size : size + 2 * shape[1] * shape[2]].reshape(2, *shape[1:])
    prompts = run.prompts().set_index("prompt_id")
    assert facts["texts"] == [prompts.loc[name, "text"] for name in facts["names"]]
    titles = {Labels(run.manifest.metrics).axis(name): name for name in run.manifest.metrics}
    for metric, title in enumerate(facts["metrics"]):
        rows = run.measurements(metrics=[titles[title]])
        for model, label in enumerate(facts["series"]):
            own: pd.Series[float] = (
                rows[rows["model"] == label].groupby("prompt_id")["value"].mean()
            )
            expected = own.reindex(facts["names"]).to_numpy()
            np.testing.assert_allclose(values[:, model, metric], expected, rtol=_RIGHT)
            assert means[model, metric] == pytest.approx(own.mean(), rel=_RIGHT)
            assert spreads[model, metric] == pytest.approx(own.std(), rel=1e-4)
    at = size + 2 * shape[1] * shape[2]
    assert facts["depths"]
    for depth in facts["depths"]:
        laid = flat[at : at + shape[0] * depth["layers"]].reshape(shape[0], depth["layers"])
        at += laid.size
        name = titles[facts["metrics"][depth["metric"]]]
        rows = run.measurements(metrics=[name])
        rows = rows[rows["model"] == facts["series"][depth["series"]]]
        by_layer = rows.groupby(["prompt_id", "layer"])["value"].mean()
        layers = range(depth["first"], depth["first"] + depth["layers"])
        expected = by_layer.unstack().reindex(index=facts["names"], columns=layers).to_numpy()
        np.testing.assert_allclose(laid, expected, rtol=_RIGHT)
    assert at == len(flat)


def test_too_many_layers_are_left_out_and_never_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pages, "_LARGEST", 10)
    monkeypatch.setattr(_pages, "_depths", None)
    own = _section(build_report(run), "prompts")
    (pages,) = (block for block in own.blocks if isinstance(block, Pages))
    assert pages.depths == ()
    assert np.isfinite(pages.values).any()
    assert "Layers are left out of the pages" in str(render(own, "text"))


def test_without_texts_a_page_has_none(run: Run) -> None:
    document = build_report(run, texts=False)
    (pages,) = (b for b in document.blocks if isinstance(b, Pages))
    assert (pages.texts, pages.made) == ((), ())
    assert run.prompts()["text"].iloc[0] not in str(render(document, "html"))


def test_tasks_lie_from_their_mean_by_standard_deviations(run: Run, document: Document) -> None:
    (figure,) = (own for own in document.figures if own.key == "task_matrix")
    raw = figure.panels[0]
    rows = run.measurements(metrics=["attention_entropy_normalized"])
    sizes = []
    for model in _MODELS:
        own = rows[rows["model"] == model.label].groupby(["task", "prompt_id"])["value"].mean()
        sizes.append(own.groupby("task").mean() / own.std())
    mean = pd.concat(sizes, axis=1).mean(axis=1)
    expected = mean - mean.mean()
    title = run.manifest.metrics["attention_entropy_normalized"].title
    column = raw.columns.index(title)  # type: ignore[attr-defined]
    drawn = dict(zip(raw.rows, raw.values[:, column], strict=True))  # type: ignore[attr-defined]
    named = {str(task).replace("_", " "): value for task, value in expected.items()}
    assert named == pytest.approx(drawn)
    assert figure.finding.startswith("Farthest from the mean")


def test_models_are_compared_with_the_higher_one_first(run: Run, document: Document) -> None:
    tables = {own.key: own.frame for own in _section(document, "models").tables}
    pairs, cost = tables["model_pairs"], tables["models_cost"]
    assert (pairs["Difference"] >= 0).all()
    assert (pairs["Low_95"] <= pairs["Difference"]).all()
    assert (pairs["Difference"] <= pairs["High_95"]).all()
    title = run.manifest.metrics["attention_entropy_normalized"].title
    (row,) = pairs[pairs["Metric"].str.startswith(title)].to_dict("records")
    rows = run.measurements(metrics=["attention_entropy_normalized"])
    means = rows.groupby(["model", "prompt_id"])["value"].mean().unstack("model")
    assert row["Difference"] == pytest.approx((means[row["Higher"]] - means[row["Lower"]]).mean())
    assert cost["Model"].tolist() == [own.label for own in _MODELS]
    assert cost["Weights_GB"].tolist() == [
        info.parameters * 4 / 1e9 for info in run.manifest.models
    ]


def test_speed_is_of_what_was_measured(run: Run) -> None:
    manifest = run.manifest.model_copy(
        update={
            "timings": {SMALL.label: {"tokens": 300.0, "measure_seconds": 2.0, "load_seconds": 1}}
        }
    )
    info = next(own for own in manifest.models if own.model == SMALL.label)
    timed = SimpleNamespace(manifest=manifest)
    origin = Origin(SMALL.label, info, timed)  # type: ignore[arg-type]
    assert (origin.speed, origin.seconds) == (150.0, 3.0)
    assert Origin(BIG.label, manifest.models[0], timed).speed is None  # type: ignore[arg-type]


def test_several_runs_are_read_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = dataclasses.replace(SMALL, label="other", name="other")
    folders = [
        make_run(tmp_path / name, models, prompts=3).path
        for name, models in (("a", [BIG, SMALL]), ("b", [other, SMALL]))
    ]
    asked = ["report", *map(str, folders), "--format", "md", "--format", "text"]
    assert main(asked) == 2
    assert "name one with --out" in capsys.readouterr().err
    assert main([*asked, "--out", str(tmp_path / "both")]) == 0
    words = (tmp_path / "both" / "report.md").read_text(encoding="utf-8")
    for label in (BIG.label, "other", f"a/{SMALL.label}", f"b/{SMALL.label}"):
        assert label in words.replace("\\", "")
    assert "4 language models" in (tmp_path / "both" / "report.txt").read_text(encoding="utf-8")
    assert (tmp_path / "both" / "figures" / "task_matrix.png").is_file()
    document = build_report(Measurements.of(*folders))
    glance = str(render(Document("", (), document.lead), "text"))
    assert "Runs: 2" in glance
    # The study's claims are checked against all of them.
    (claims,) = (own for own in document.tables if own.key == "claims")
    assert "this run" not in claims.title
    audit = audit_study(run=Measurements.of(*folders))
    assert audit.run == "a, b"
    alone = [audit_study(run=folder).run_facts for folder in folders]
    told = "Study's attention entropy with the number of tokens, "
    for place, label in ((0, BIG.label), (1, "other")):
        assert audit.run_facts[told + label] == alone[place][told + label]
    assert audit.run_facts[f"{told}b/{SMALL.label}"] == alone[1][told + SMALL.label]


def test_tables_figures_and_workbooks_are_of_several_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(SMALL, label="other", name="other")
    runs = [
        make_run(tmp_path / name, models, prompts=3)
        for name, models in (("a", [SMALL]), ("b", [other]))
    ]
    (both,) = build_tables(Measurements.of(*runs), only=["complete"])
    frames = [build_tables(own, only=["complete"])[0].frame for own in runs]
    pd.testing.assert_frame_equal(both.frame, pd.concat(frames, ignore_index=True))
    folders, out = [str(own.path) for own in runs], tmp_path / "out"
    assert main(["tables", *folders, "--only", "models"]) == 0
    printed = capsys.readouterr().out
    assert SMALL.label in printed
    assert "other" in printed
    assert main(["tables", *folders, "--format", "csv", "--out", str(out)]) == 0
    written = pd.read_csv(out / "tables" / "table1.csv")
    assert list(written["Model"].unique()) == [SMALL.label, "other"]
    assert main(["figures", *folders, "--only", "length", "--out", str(out)]) == 0
    assert (out / "figures" / "length.png").is_file()
    assert main(["workbooks", *folders, "--only", "results", "--out", str(out)]) == 0
    book = openpyxl.load_workbook(out / "results.xlsx")
    cells = {cell.value for sheet in book for row in sheet.iter_rows() for cell in row}
    assert {SMALL.label, "other"} <= cells
    capsys.readouterr()
    assert main(["workbooks", *folders]) == 2
    assert "name one with --out" in capsys.readouterr().err


def test_the_methods_are_those_of_the_run(run: Run) -> None:
    shown = Shown(run)
    said = " ".join(methods(shown))
    assert f"We measured {len(_MODELS)} language models" in said
    assert f"{len(run.prompts())} prompts of {len(run.manifest.suite.tasks)} tasks" in said
    assert run.manifest.suite.hash[:12] in said
    written = bibliography(shown)
    entries = re.findall(r"^@(\w+)\{([\w-]+),$(.*?)^\}$", written, re.MULTILINE | re.DOTALL)
    assert written.count("@") == len(entries) > 4
    assert len({key for _, key, _ in entries}) == len(entries)
    for _, _, fields in entries:
        assert fields.count("{") == fields.count("}")


def test_experts_and_neurons_are_told(make: Callable[..., Run]) -> None:
    few = dataclasses.replace(MIXTURE, layers=3, heads=2, experts=4)
    run = make([few, SMALL], tasks=["a", "b"], prompts=2, metrics=ROUTED)
    own = _section(build_report(run), "neurons")
    assert [figure.key for figure in own.figures] == ["experts"]
    assert "--keep-neurons" in str(render(own, "text"))
    plain = make_run(run.path.parent / "plain", [SMALL], prompts=2, metrics=METRICS)
    assert "routes its tokens" in str(render(_section(build_report(plain), "neurons"), "text"))


def test_what_a_metric_means_stands_where_it_is_named(run: Run, document: Document) -> None:
    page = str(render(document, "html"))
    spec = run.manifest.metrics["attention_sink_mass"]
    meaning = re.escape(spec.definition.split("'")[0].split('"')[0][:40])
    assert re.search(
        rf'<a class="term" href="#term-attention_sink_mass" title="{meaning}[^"]*">'
        rf"{re.escape(spec.title)}",
        page,
    )
    assert page.count('id="term-attention_sink_mass"') == 1
    assert re.search(rf'<th scope="col" class="number" title="{meaning}', page)


def test_figures_of_others_have_a_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(run)
    strange = Figure("strange", "Strange", "of another package", (), notes=("nothing",))
    monkeypatch.setattr(shown, "figures", (*shown.figures, strange))
    from cortexscope.report._report import report_of

    last: Section = report_of(shown).sections[-1]
    assert last.key == "more"
    assert [own.key for own in Document("", (last,)).figures] == ["strange"]


def test_a_pdf_needs_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="none of them is installed"):
        render(Document("a", ()), "pdf")
