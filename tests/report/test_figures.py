from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from report.made_runs import BIG, SMALL, FakeModel
from scipy import stats

from cortexscope.report import Figure, HeatMap, Lines, Scatter, build_figures
from cortexscope.report._style import look
from cortexscope.store import Run


def _figures(run: Run) -> dict[str, Figure]:
    return {figure.key: figure for figure in build_figures(run)}


def test_heat_map_holds_the_cells_longest_tasks_first(small_run: Run) -> None:
    raw, fair = _figures(small_run)["task_map"].panels
    assert isinstance(raw, HeatMap)
    assert isinstance(fair, HeatMap)
    assert raw.values.shape == (12, 2)
    rows = small_run.measurements(metrics=["study.attention_entropy"], models=["SmolLM2-135M"])
    longest = rows[rows["task"] == "mathematical_reasoning"]
    assert raw.rows[0].startswith("mathematical reasoning (")
    assert raw.values[0, 0] == pytest.approx(longest["value"].mean())
    assert fair.values.max() <= 1


def test_lines_are_median_and_quartiles_over_prompts(small_run: Run) -> None:
    panels = {panel.title: panel for panel in _figures(small_run)["depth"].panels}
    panel = panels["Normalised attention entropy"]
    assert isinstance(panel, Lines)
    line = panel.lines[0]
    rows = small_run.measurements(metrics=["attention_entropy_normalized"], models=["SmolLM2-135M"])
    heads = rows.groupby(["layer", "prompt_id"])["value"].mean()
    for position, (_, values) in enumerate(heads.groupby("layer")):
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        assert line.y[position] == pytest.approx(middle)
        assert (line.low[position], line.high[position]) == pytest.approx((low, high))
    np.testing.assert_allclose(line.x, np.arange(1, 7) / 6)
    norm = panels["Residual norm"]
    assert isinstance(norm, Lines)
    assert norm.log
    np.testing.assert_allclose(norm.lines[0].x, np.arange(7) / 6)


def test_stacks_of_one_model_are_lines_of_their_own(make: Callable[..., Run]) -> None:
    from report.made_runs import table_of

    from cortexscope.store import RunWriter

    run = make([FakeModel()], prompts=1)
    task = run.manifest.suite.tasks[0]
    rows = [
        (task, f"{task[:4]}-001", 12, "residual_norm", layer, None, 2.0, None)
        for layer in (0, 1, 2)
    ]
    writer = RunWriter(run.path, run.manifest, [], resume=True)
    writer.write_shard("SmolLM2-135M", 1, table_of("SmolLM2-135M", rows, "cross"))
    panel = _figures(Run(run.path))["depth"].panels[0]
    assert isinstance(panel, Lines)
    assert [line.label for line in panel.lines] == [
        "SmolLM2-135M (decoder)",
        "SmolLM2-135M (cross)",
    ]
    np.testing.assert_allclose(panel.lines[1].x, [0, 0.5, 1])


def test_points_state_the_correlation_of_scipy(small_run: Run) -> None:
    panel = _figures(small_run)["length"].panels[0]
    assert isinstance(panel, Scatter)
    cloud = panel.clouds[0]
    reference = stats.pearsonr(cloud.x, cloud.y)
    interval = reference.confidence_interval()
    assert cloud.statement == (
        f"r = {reference.statistic:.3f} [{interval.low:.3f}, {interval.high:.3f}], n = 36"
    )
    assert len(cloud.names) == len(cloud.x) == 36


def test_what_cannot_be_drawn_is_said(make: Callable[..., Run]) -> None:
    figures = _figures(make([SMALL], prompts=1, metrics=("residual_norm",)))
    assert figures["task_map"].panels == ()
    assert "was not measured" in figures["task_map"].notes[0]
    assert len(figures["depth"].panels) == 1
    assert "nothing to draw" in figures["length"].alt


def test_a_model_without_attention_is_named_beside_the_others(make: Callable[..., Run]) -> None:
    blind = dataclasses.replace(SMALL, label="mamba", attention=False)
    figures = _figures(make([blind, FakeModel()], prompts=1))
    panel = figures["task_map"].panels[0]
    assert isinstance(panel, HeatMap)
    assert np.isnan(panel.values[:, 0]).all()
    assert any("mamba (no attention layers)" in note for note in figures["task_map"].notes)
    scatter = figures["length"].panels[0]
    assert isinstance(scatter, Scatter)
    assert [cloud.slot for cloud in scatter.clouds] == [1]


def test_an_unfinished_model_is_named(make: Callable[..., Run]) -> None:
    figures = _figures(make([SMALL, BIG], prompts=1, finished=False, measured=1))
    assert any("nothing measured yet" in note for note in figures["depth"].notes)


def test_no_two_of_many_models_look_alike() -> None:
    looks = [look(slot) for slot in range(14)]
    assert len({(one.colour, one.marker) for one in looks}) == 14
    assert all(math.isfinite(sum(one.dash)) for one in looks)
