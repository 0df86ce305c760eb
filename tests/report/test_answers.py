from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis.planted import LENGTH, MODELS, TASKS, planted_run
from report.made_runs import FakeModel, make_run

from cortexscope.analysis import STANDARDISED
from cortexscope.document import render
from cortexscope.report import build_report
from cortexscope.report._answers import answers, of_tasks, trusted
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.store import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted_run(tmp_path_factory.mktemp("planted") / "run", controls=False, states=False)


def _made(run: Run) -> tuple[RunFrames, Labels]:
    return RunFrames(run), Labels(run.manifest.metrics)


def test_verdicts_tell_what_length_does_from_what_tasks_do(planted: Run) -> None:
    found = {own.metric: own for own in of_tasks(*_made(planted))}
    assert found[LENGTH].verdict == "only raw"
    assert found["attention_entropy_normalized"].verdict == "clear"


def test_the_numbers_of_an_answer_are_those_of_the_analysis(planted: Run) -> None:
    frames, labels = _made(planted)
    effects = frames.analysis.table("effects")
    for own in of_tasks(frames, labels):
        rows = effects[(effects["metric"] == own.metric) & (effects["scope"] == STANDARDISED)]
        row = rows[(rows["factor"] == "task") & (rows["form"] == "adjusted")].iloc[0]
        told = (own.value, own.low, own.high)
        assert told == (row["omega_squared_partial"], row["low"], row["high"])
        said = re.search(r"explains (\d+) \[(\d+), (\d+)\] %", own.text)
        assert said is not None
        assert [int(part) for part in said.groups()] == [
            round(100 * max(share, 0.0)) for share in told
        ]
        assert f"n = {row['n']} prompts" in own.text


def test_what_is_unknown_at_equal_lengths_is_not_drawn_as_if_it_were(tmp_path: Path) -> None:
    """Tasks whose lengths do not meet cannot be compared at equal lengths."""
    run = planted_run(tmp_path / "far", count=8, longer=40.0, controls=False, states=False)
    frames, labels = _made(run)
    effects = frames.analysis.table("effects")
    tested = effects[(effects["scope"] == STANDARDISED) & (effects["form"] == "adjusted")]
    p = tested.set_index("metric")["p"].to_dict()
    for own in of_tasks(frames, labels):
        assert np.isnan(own.low) == np.isnan(p[own.metric])
        if np.isnan(p[own.metric]):
            assert own.verdict != "clear"
            assert "at equal lengths it is unknown" in own.text
    assert any(np.isnan(own.low) for own in of_tasks(frames, labels))


def test_answers_are_ranked_and_lead_to_places_that_are_there(planted: Run) -> None:
    found = answers(*_made(planted))
    assert 5 <= len(found) <= 8
    ranks = [("clear", "only raw", "open").index(own.verdict) for own in found]
    assert ranks == sorted(ranks)
    for rank in set(ranks):
        sizes = [own.size for own, at in zip(found, ranks, strict=True) if at == rank]
        assert sizes == sorted(sizes, reverse=True)
    page = str(render(build_report(planted), "html"))
    for own in found:
        assert f'id="{own.to}"' in page


def test_no_answer_is_made_of_a_tie(tmp_path: Path) -> None:
    level = planted_run(tmp_path / "level", count=8, tasks=TASKS[::2], longer=1.0, states=False)
    frames, labels = _made(level)
    leaders = frames.analysis.table("leaders")
    own_scopes = [m.label for m in MODELS]
    holding = {
        row["metric"]
        for row in leaders.to_dict("records")
        if row["scope"] in own_scopes and row["form"] == "raw" and row["holds"] is True
    }
    named = [own for own in answers(frames, labels) if own.kind == "highest"]
    assert {own.metric for own in named} <= holding
    assert LENGTH not in {own.metric for own in named}


def test_a_run_without_effects_says_that_no_task_differs_clearly(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [FakeModel()], tasks=["one", "two", "three"], prompts=12)
    found = {own.metric: own.verdict for own in of_tasks(*_made(run))}
    page = str(render(build_report(run), "text"))
    clear = sum(verdict == "clear" for verdict in found.values())
    said = "No task differs clearly" if not clear else f"Tasks differ clearly in {clear} of"
    assert said in page


def test_what_to_trust_is_counted_from_the_run(planted: Run) -> None:
    told = {name: (what, fine) for name, what, fine in trusted(RunFrames(planted))}
    assert told["Selfcheck"] == (
        f"not made ({len(MODELS)} of {len(MODELS)} models unchecked)",
        False,
    )
    assert told["Texts cut short"] == ("none", True)
    lengths = RunFrames(planted).lengths
    each: pd.Series[float] = lengths["n_tokens"].astype(float).map(np.log)
    logs = each.groupby(lengths["prompt_id"]).mean()
    tasks = lengths.drop_duplicates("prompt_id").set_index("prompt_id")["task"]
    means: pd.Series[float] = logs.groupby(tasks).transform("mean")
    share = ((means - logs.mean()) ** 2).sum() / ((logs - logs.mean()) ** 2).sum()
    assert told["Length explained by task"][0].startswith(f"{100 * share:.0f} %")
