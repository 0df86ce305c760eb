"""Values that are labels, such as a feature's number, are counted and never averaged."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cortexscope.analysis import TABLES, Analysis, Settings, metrics_with_values
from cortexscope.engine import RunRequest, run
from cortexscope.errors import UnknownNameError
from cortexscope.metrics import METRICS
from cortexscope.report import build_figures, build_tables
from cortexscope.report._frames import RunFrames
from cortexscope.store import Measurements, Run

LABELS = ("largest_activation_token", "largest_activation_dimension")
NUMBER = "largest_activation"


@pytest.fixture(scope="module")
def measured(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    suite = tmp_path_factory.mktemp("suites") / "small.csv"
    words = ["one", "two", "three", "four", "five"]
    rows = [
        f"{task},{task}-{n},{' '.join(words[(n + i) % 5] for i in range(2 + n))}"
        for task in ("counting", "naming")
        for n in range(6)
    ]
    suite.write_text("\n".join(["task,id,text", *rows]) + "\n", encoding="utf-8")
    request = RunRequest(
        models=(f"tiny={tiny_folder}",),
        out=tmp_path_factory.mktemp("runs") / "run",
        suite=suite,
        metrics=(NUMBER, *LABELS),
        selfcheck=False,
    )
    return run(request)


def test_a_metric_that_gives_the_number_of_something_is_a_label() -> None:
    specs = [METRICS.load(name).spec for name in METRICS.names()]
    named = {spec.name for spec in specs if spec.unit.endswith("number")}
    assert named == {spec.name for spec in specs if spec.scale == "label"} == set(LABELS)


def test_table_7_has_the_most_frequent_value_and_its_share(measured: Run) -> None:
    tables = {table.key: table for table in build_tables(measured)}
    frame = tables["metrics"].frame.set_index("Metric").to_dict("index")
    rows = measured.measurements()
    for name in LABELS:
        counts = Counter(rows[rows["metric"] == name]["value"])
        most = max(counts.values())
        row = frame[name]
        assert row["Most_Frequent"] == min(value for value, n in counts.items() if n == most)
        assert row["Share"] == pytest.approx(most / (12 * 3))
        assert (row["Prompts"], row["Undefined"]) == (12, 0)
        for column in ("Mean", "Low_95", "High_95", "SD", "Median"):
            assert np.isnan(row[column])
    assert np.isnan(frame[NUMBER]["Share"])
    assert frame[NUMBER]["Mean"] > 0
    assert (tables["complete"].frame["Inputs_Analyzed"] == 6).all()


@pytest.mark.slow
def test_no_mean_no_figure_and_no_statistic_is_made_of_labels(measured: Run) -> None:
    frames = RunFrames(measured)
    for read in (frames.values, frames.stacks, frames.layers):
        frame = read(LABELS)
        assert set(frame["metric"]) == set(LABELS)
        assert frame["value"].isna().all()
    assert frames.cells(LABELS)[list(LABELS)].isna().all(axis=None)
    titles = {METRICS.load(name).spec.title for name in LABELS}
    drawn = {panel.title for figure in build_figures(measured) for panel in figure.panels}
    assert METRICS.load(NUMBER).spec.title in drawn
    assert not drawn & titles
    assert metrics_with_values(Measurements.of(measured)) == (NUMBER,)
    found = Analysis(measured, settings=Settings(0, 50, 50))
    for table in map(found.table, TABLES):
        assert "metric" not in table or not table["metric"].isin(LABELS).any()
    with pytest.raises(UnknownNameError, match="with one number a prompt"):
        Analysis(measured, metrics=[LABELS[0]])


def test_an_older_manifest_still_opens(measured: Run, tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    content = json.loads((measured.path / "manifest.json").read_text(encoding="utf-8"))
    for spec in content["metrics"].values():
        del spec["scale"]
    (older / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    assert {spec.scale for spec in Run(older).manifest.metrics.values()} == {"number"}
