"""What is read once is what every reading gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report.made_runs import PAIR, SMALL, make_run

from cortexscope.store import MeasuredOnce, Measurements, Run
from cortexscope.store._sources import Sources

TASKS = ["language_tasks", "technical_code"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", [SMALL, PAIR], tasks=TASKS, prompts=3)


def by_metric(frame: pd.DataFrame) -> dict[object, pd.DataFrame]:
    return {name: own.reset_index(drop=True) for name, own in frame.groupby("metric", sort=False)}


def test_values_and_gaps_are_those_that_are_read_each_time(run: Run) -> None:
    plain, once = Measurements.of(run), MeasuredOnce(Measurements.of(run))
    first, *others = plain.metrics
    for metrics in ([first], None, others[:2], []):
        for name in ("by_prompt", "undefined"):
            expected, found = (getattr(own, name)(metrics) for own in (plain, once))
            assert list(found) == list(expected)
            assert by_metric(found).keys() == by_metric(expected).keys()
            for metric, own in by_metric(expected).items():
                pd.testing.assert_frame_equal(
                    by_metric(found)[metric], own, check_dtype=len(own) > 0
                )


def test_controls_are_left_out_where_they_are_not_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = run.prompts()["prompt_id"]
    monkeypatch.setattr(Run, "control_ids", lambda self: (every[1], every[4]))
    plain, once = Measurements.of(run), MeasuredOnce(Measurements.of(run))
    for controls in (True, False):
        expected, found = (own.by_prompt(controls=controls) for own in (plain, once))
        assert len(expected) == len(found)
        for metric, own in by_metric(expected).items():
            pd.testing.assert_frame_equal(by_metric(found)[metric], own)


def test_a_metric_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    each = Sources.each

    def counted(self: Sources, work: Any, metrics: Any = None, **options: Any) -> Any:
        asked.append(list(metrics))
        return each(self, work, metrics, **options)

    monkeypatch.setattr(Sources, "each", counted)
    once = MeasuredOnce(Measurements.of(run))
    first, *others = once.metrics
    for metrics in ([first], [first], None, None):
        once.by_prompt(metrics, controls=metrics is None)
    assert [name for names in asked for name in names] == [first, *others]
    # What a reader does to a frame is not done to the next one.
    frame = once.by_prompt([first])
    frame["value"] = 0.0
    assert once.by_prompt([first])["value"].abs().max() > 0
