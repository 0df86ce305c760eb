from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report.made_runs import BIG, METRICS, SMALL, make_run

from cortexscope.cli import main
from cortexscope.document import Document, Section, Table, render
from cortexscope.report import build_figures, build_report, write_html
from cortexscope.report._labels import Labels
from cortexscope.store import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("heads") / "run", [BIG, SMALL], prompts=6)


def _table(run: Run, section: str, *, texts: bool = True) -> Table:
    document = build_report(run, texts=texts)
    own: Section = next(own for own in document.sections if own.key == section)
    return next(block for block in Document("", (own,)).tables)


def test_the_highest_heads_are_those_of_the_rows(run: Run) -> None:
    frame = _table(run, "heads").frame
    rows = run.measurements(metrics=["attention_sink_mass"])
    for label in (BIG.label, SMALL.label):
        own = rows[rows["model"] == label]
        prompts: pd.Series[float] = own.groupby(["layer", "head"])["value"].mean()
        metric = Labels(run.manifest.metrics).axis("attention_sink_mass")
        said = frame[(frame["Model"] == label) & (frame["Metric"] == metric)]
        highest = re.findall(r"L(\d+)H(\d+) ([\d.]+)", said["Highest heads"].item())
        found = [prompts[int(layer), int(head)] for layer, head, _ in highest]
        # Two that are all but equal may change places.
        assert found == pytest.approx(sorted(prompts, reverse=True)[:3])
        assert [f"{value:.3g}" for value in found] == [text for _, _, text in highest]
        assert said["Heads"].item() == len(prompts)
        assert said["Mean of all heads"].item() == f"{prompts.mean():.3g}"


def test_every_head_is_drawn_where_it_is(run: Run) -> None:
    (figure,) = build_figures(run, only=["heads"])
    rows = run.measurements(metrics=["attention_entropy_normalized"])
    own = rows[rows["model"] == BIG.label].groupby(["layer", "head"])["value"].mean()
    drawn = figure.panels[0].values  # type: ignore[attr-defined]
    assert drawn.shape == (BIG.layers, BIG.heads)
    first = int(rows["layer"].min())
    for layer in range(BIG.layers):
        for head in range(BIG.heads):
            assert drawn[layer, head] == pytest.approx(own[layer + first, head])


def test_prompts_stand_in_the_order_of_how_unusual_they_are(run: Run) -> None:
    frame = _table(run, "prompts").frame
    prompts = run.prompts().set_index("prompt_id")
    assert set(frame["Prompt"]) == set(prompts.index)
    far = frame["Farthest from the mean"].astype(float).abs()
    assert far.is_monotonic_decreasing
    top = frame.iloc[0]
    assert top["Text"] == prompts.loc[top["Prompt"], "text"]
    title, label = top["In"].rsplit(", ", 1)
    metric = next(name for name, spec in run.manifest.metrics.items() if spec.title == title)
    rows = run.measurements(metrics=[metric])
    own = rows[rows["model"] == label].groupby("prompt_id")["value"].mean()
    z = (own - own.mean()) / own.std()
    assert top["Farthest from the mean"] == pytest.approx(z[top["Prompt"]])
    assert np.abs(z).max() == pytest.approx(abs(top["Farthest from the mean"]))


def test_texts_are_left_out_where_asked(run: Run) -> None:
    secret = run.prompts()["text"].iloc[0]
    page = write_html(run)
    assert secret in page.read_text(encoding="utf-8")
    assert "Text" not in _table(run, "prompts", texts=False).frame
    assert main(["report", str(run.path), "--no-texts"]) == 0
    assert secret not in page.read_text(encoding="utf-8")
    assert Path(run.path, "tables", "tables.txt").is_file()


@pytest.mark.parametrize("metrics", [("attention_entropy",), ("residual_norm",), METRICS])
def test_every_link_leads_somewhere(metrics: tuple[str, ...], tmp_path: Path) -> None:
    made = make_run(tmp_path / "run", [SMALL], prompts=6, metrics=metrics)
    page = str(render(build_report(made), "html"))
    links = set(re.findall(r'href="#([^"]*)"', page))
    assert links <= set(re.findall(r' id="([^"]*)"', page))
    assert "heads" in links
