from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from report.made_runs import BIG, MIXTURE, PAIR, ROUTED, SMALL, FakeModel
from scipy import stats

from cortexscope.document import Figure, HeatMap, Lines, Raster, Scatter
from cortexscope.document.drawing._look import look
from cortexscope.report import build_figures
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
        edges = (line.ends[0][position], line.ends[1][position])
        assert edges == pytest.approx((low, high))
    np.testing.assert_allclose(line.x, np.arange(1, 7) / 6)
    norm = panels["Residual norm"]
    assert isinstance(norm, Lines)
    assert norm.log
    np.testing.assert_allclose(norm.lines[0].x, np.arange(7) / 6)


@pytest.mark.slow
def test_stacks_have_panels_of_their_own_encoders_first(make: Callable[..., Run]) -> None:
    depth = _figures(make([PAIR, SMALL, FakeModel()], prompts=2))["depth"]
    shown = {}
    for panel in depth.panels:
        assert isinstance(panel, Lines)
        shown[panel.title] = [line.label for line in panel.lines]
    metrics = [
        "residual norm",
        "near-zero fraction",
        "normalised attention entropy",
        "attention sink mass",
    ]
    assert list(shown) == [
        *(f"Encoder: {metric}" for metric in metrics),
        *(f"Decoder: {metric}" for metric in metrics),
        *(f"Cross-attention: {metric}" for metric in metrics[2:]),
    ]
    assert shown["Encoder: residual norm"] == ["t5-small", "all-MiniLM-L6-v2"]
    assert shown["Decoder: residual norm"] == ["t5-small", "SmolLM2-135M"]
    assert shown["Cross-attention: attention sink mass"] == ["t5-small"]
    assert depth.notes == ()
    assert "panels of their own" in depth.caption


def test_a_line_is_of_one_stack_only(make: Callable[..., Run]) -> None:
    run = make([PAIR], prompts=2)
    panels = {panel.title: panel for panel in _figures(run)["depth"].panels}
    rows = run.measurements(metrics=["residual_norm"])
    for stack in ("encoder", "decoder"):
        panel = panels[f"{stack.capitalize()}: residual norm"]
        assert isinstance(panel, Lines)
        own = rows[rows["stack"] == stack]
        expected = own.groupby("layer")["value"].median()
        np.testing.assert_allclose(panel.lines[0].y, expected)
        np.testing.assert_array_equal(panel.lines[0].x, np.arange(7))
        assert panel.x_title.startswith("Layer")


def test_what_is_undefined_in_one_stack_is_said_of_that_stack(make: Callable[..., Run]) -> None:
    from report.made_runs import table_of

    run = make([FakeModel()], prompts=1)
    task = run.manifest.suite.tasks[0]
    rows = [
        (task, f"{task[:4]}-001", 1, "attention_entropy_normalized", layer, 0, None, "one key")
        for layer in (1, 2)
    ]
    (file,) = run.measurement_files()
    more = table_of("SmolLM2-135M", rows, "cross")
    pq.write_table(pa.concat_tables([pq.read_table(file), more]), file)
    figures = _figures(Run(run.path))
    assert figures["depth"].notes == (
        "Normalised attention entropy has no value in the cross stack for SmolLM2-135M (one key).",
    )
    assert not any("one key" in note for note in figures["length"].notes)


def test_length_is_that_of_the_encoders_input(make: Callable[..., Run]) -> None:
    run = make([PAIR], prompts=3)
    figures = _figures(run)
    panel = figures["length"].panels[0]
    assert isinstance(panel, Scatter)
    rows = run.measurements(metrics=["study.attention_entropy"])
    own = rows[rows["stack"] == "encoder"]
    np.testing.assert_array_equal(np.sort(panel.clouds[0].x), np.sort(own["n_tokens"]))
    expected = stats.pearsonr(own["n_tokens"].astype(float), own["value"]).statistic
    assert panel.clouds[0].statement.startswith(f"r = {expected:.3f} [")
    for name in ("task_map", "length"):
        assert any("those of the encoder" in note for note in figures[name].notes)


def test_expert_load_is_a_mean_over_prompts_by_layer_and_expert(make: Callable[..., Run]) -> None:
    run = make([SMALL, MIXTURE], prompts=2, tasks=["language_tasks"], metrics=ROUTED)
    figure = _figures(run)["experts"]
    (panel,) = figure.panels
    assert isinstance(panel, Raster)
    assert panel.title == "OLMoE-1B-7B: an even load is 0.0156"
    assert (panel.first_row, panel.values.shape) == (2, (15, 64))
    np.testing.assert_allclose(panel.values.sum(1), 1)
    rows = run.measurements(metrics=["expert_load"], models=["OLMoE-1B-7B"])
    cell = rows[(rows["layer"] == 5) & (rows["index"] == 7)]
    assert len(cell) == 2
    assert panel.values[3, 7] == pytest.approx(cell["value"].mean())
    assert figure.notes == ("Expert load has no value for all-MiniLM-L6-v2 (no experts).",)


def test_layers_without_experts_are_blank_rows(make: Callable[..., Run]) -> None:
    sparse = dataclasses.replace(MIXTURE, layers=4, heads=1, experts=3)
    run = make([sparse], prompts=1, tasks=["language_tasks"], metrics=ROUTED)
    file = run.measurement_files()[0]
    table = pq.read_table(file)
    routed = pc.equal(table["metric"], "expert_load")
    third = pc.fill_null(pc.equal(table["layer"], 3), False)
    pq.write_table(table.filter(pc.invert(pc.and_(routed, third))), file)
    (panel,) = _figures(run)["experts"].panels
    assert isinstance(panel, Raster)
    np.testing.assert_array_equal(np.isnan(panel.values).all(1), [False, True, False])


@pytest.mark.slow
def test_a_run_without_experts_has_no_figure_of_them(make: Callable[..., Run]) -> None:
    run = make([SMALL, FakeModel()], prompts=1, metrics=ROUTED)
    assert list(_figures(run)) == [
        "task_matrix",
        "task_map",
        "length",
        "depth",
        "task_means",
        "heads",
        "similarity",
        "specialisation",
        "prompts",
        "radar",
        "parameters",
        "power",
        "brain",
        "depth-other",
    ]


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_unfinished_model_is_named(make: Callable[..., Run]) -> None:
    figures = _figures(make([SMALL, BIG], prompts=1, finished=False, measured=1))
    assert any("nothing measured yet" in note for note in figures["depth"].notes)


@pytest.mark.slow
def test_an_unread_model_beside_an_encoder_decoder_is_named_once_a_metric(
    make: Callable[..., Run],
) -> None:
    notes = _figures(make([PAIR, SMALL], prompts=1, finished=False, measured=1))["depth"].notes
    assert len(notes) == 4
    assert all("for all-MiniLM-L6-v2 (nothing measured yet)" in note for note in notes)


def test_no_two_of_many_models_look_alike() -> None:
    looks = [look(slot) for slot in range(14)]
    assert len({(one.colour, one.marker) for one in looks}) == 14
    assert all(math.isfinite(sum(one.dash)) for one in looks)


def test_every_other_metric_has_a_panel_in_the_figure_of_its_group(small_run: Run) -> None:
    figure = _figures(small_run)["depth-other"]
    assert [panel.title for panel in figure.panels] == ["Attention entropy"]
    (panel,) = figure.panels
    assert isinstance(panel, Lines)
    (line, *_) = panel.lines
    assert np.isfinite(line.y).all()
