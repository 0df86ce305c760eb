"""The numbers of figures, recomputed from the run's files by numpy and scipy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report.made_runs import (
    BIG,
    MIXTURE,
    SMALL,
    FakeModel,
    manifest_of,
    prompts_of,
    spec_of,
    table_of,
)
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform
from scipy.stats import nct, t

from cortexscope.document import Boxes, Figure, HeatMap, Lines, Radar, Raster, Scatter, Strip, Tree
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.metrics import HEADLINE
from cortexscope.records import MetricSpec
from cortexscope.report import PublishedModel, build_figures
from cortexscope.report.figures.similarity import classical_map
from cortexscope.store import GENERATIONS, Run, RunWriter

NORMALIZED = "attention_entropy_normalized"


def _figure(run: Run, key: str, **options: object) -> Figure:
    (figure,) = build_figures(run, only=[key], **options)  # type: ignore[arg-type]
    return figure


def _scores(run: Run) -> pd.DataFrame:
    """Return z by task, a column a model and metric, straight from the rows."""
    rows = run.measurements()
    prompts = rows.groupby(["model", "metric", "task", "prompt_id"])["value"].mean().reset_index()
    columns = {}
    for (model, metric), own in prompts.groupby(["model", "metric"]):
        if metric in HEADLINE:
            means = own.groupby("task")["value"].mean()
            spread = own["value"].std(ddof=1)
            # What is the same for every prompt has no standard score.
            if spread:
                columns[model, metric] = (means - means.mean()) / spread
    return pd.DataFrame(columns).reindex(run.manifest.suite.tasks)


def test_a_radar_has_the_standard_scores_of_the_tasks_that_lie_farthest(small_run: Run) -> None:
    expected = _scores(small_run)
    far = (expected**2).mean(axis=1).sort_values(ascending=False).index[:4]
    figure = _figure(small_run, "radar")
    for panel, model in zip(figure.panels, ["SmolLM2-135M", "all-MiniLM-L6-v2"], strict=True):
        assert isinstance(panel, Radar)
        assert {own.label.replace(" ", "_") for own in panel.rounds} == set(far)
        for own in panel.rounds:
            task = own.label.replace(" ", "_")
            pairs = [(model, metric) for metric in HEADLINE if (model, metric) in expected]
            scores = [expected[pair][task] for pair in pairs]
            np.testing.assert_allclose(own.values, np.array(scores, dtype=float))
    assert "area" in figure.caption
    largest = expected.stack([0, 1], future_stack=True).abs().max()
    assert f"{largest:.2f} SD" in figure.finding.replace("-", "").replace("+", "")


def test_specialisation_is_the_root_mean_square_of_the_scores(small_run: Run) -> None:
    expected = _scores(small_run)
    (panel,) = _figure(small_run, "specialisation").panels
    assert isinstance(panel, HeatMap)
    for column, model in enumerate(["SmolLM2-135M", "all-MiniLM-L6-v2"]):
        root = np.sqrt((expected[model].to_numpy() ** 2).mean(axis=1))
        np.testing.assert_allclose(panel.values[:, column], root)
        assert panel.said[column] == f"all {np.sqrt((root**2).mean()):.2f}"


def test_similar_tasks_are_joined_by_average_linkage(small_run: Run) -> None:
    scores = _scores(small_run)
    distances = pdist(scores.to_numpy()) / np.sqrt(scores.shape[1])
    figure = _figure(small_run, "similarity")
    tree, scatter = figure.panels
    assert isinstance(tree, Tree)
    assert isinstance(scatter, Scatter)
    np.testing.assert_allclose(
        [own.distance for own in tree.joins], linkage(distances, "average")[:, 2]
    )
    nearest = np.unravel_index(
        (squareform(distances) + 1e9 * np.eye(len(scores))).argmin(), [len(scores)] * 2
    )
    for place in nearest:
        assert str(scores.index[place]).replace("_", " ") in figure.finding
    assert f"{distances.min():.2f} SD" in figure.finding
    assert scatter.named


def test_the_classical_map_of_points_in_a_plane_keeps_all_distances() -> None:
    points = np.random.default_rng(3).normal(size=(7, 2))
    distances = squareform(pdist(points))
    found = classical_map(distances)
    np.testing.assert_allclose(squareform(pdist(found.places)), distances, atol=1e-9)
    assert found.kept == pytest.approx(1)
    deep = squareform(pdist(np.eye(4)))
    assert classical_map(deep).kept == pytest.approx(2 / 3)


def test_boxes_hold_the_quantiles_of_the_prompts(small_run: Run) -> None:
    panel = _figure(small_run, "prompts", metrics=[NORMALIZED]).panels[0]
    assert isinstance(panel, Boxes)
    rows = small_run.measurements(metrics=[NORMALIZED], models=["SmolLM2-135M"])
    values = rows.groupby(["task", "prompt_id"])["value"].mean()
    for place, task in enumerate(small_run.manifest.suite.tasks):
        expected = np.quantile(values[task], [0.05, 0.25, 0.5, 0.75, 0.95])
        np.testing.assert_allclose(panel.boxes[0].quantiles[place], expected)


def test_models_stand_at_their_size_with_students_interval_or_a_wider_one(small_run: Run) -> None:
    study = (PublishedModel("BERT-Base", 109.5e6, {"study.attention_entropy": 125.58}),)
    figure = _figure(small_run, "parameters", published=study)
    panels = {panel.title: panel for panel in figure.panels}
    panel = panels["Attention entropy (study)"]
    assert isinstance(panel, Scatter)
    assert panel.log
    first, _, published = panel.clouds
    values = small_run.measurements(metrics=["study.attention_entropy"], models=["SmolLM2-135M"])[
        "value"
    ].to_numpy()
    half = t.ppf(0.975, 35) * values.std(ddof=1) / 6
    assert first.x[0] == 134_515_008
    assert first.y[0] == pytest.approx(values.mean())
    assert first.low is not None
    assert first.high is not None
    assert first.low[0] <= values.mean() - half + 1e-9
    assert first.high[0] >= values.mean() + half - 1e-9
    assert (published.x[0], published.y[0]) == (109.5e6, 125.58)
    assert figure.key == "parameters-published"


def test_power_is_that_of_the_noncentral_t(small_run: Run) -> None:
    two_tasks, two_models = _figure(small_run, "power").panels
    assert isinstance(two_tasks, Lines)
    assert isinstance(two_models, Lines)
    line, mark = two_tasks.lines[2], two_tasks.lines[-1]
    n, found = line.x[20], line.y[20]
    critical, shift = t.ppf(0.975, 2 * n - 2), 0.8 * np.sqrt(n / 2)
    expected = nct.sf(critical, 2 * n - 2, shift) + nct.cdf(-critical, 2 * n - 2, shift)
    assert found == pytest.approx(expected, abs=1e-6)
    assert set(mark.x) == {3.0}
    assert {float(own.x[0]) for own in two_models.lines if not own.joined} == {3.0, 36.0}


def test_selective_heads_are_those_of_the_statistics(make: Callable[..., Run]) -> None:
    from cortexscope.analysis import Analysis

    run = make([FakeModel()], tasks=["language_tasks", "technical_code"], prompts=12)
    figure = _figure(run, "selective_heads")
    table = Analysis(run, metrics=[NORMALIZED]).table("selective")
    own = table[(table["model"] == "SmolLM2-135M") & (table["values"] == "adjusted")]
    own = own[own["g"].notna()]
    panel = figure.panels[0]
    chosen, other = panel.ranges  # type: ignore[attr-defined]
    most = own["chosen_g"].abs().sort_values(ascending=False)[:12]
    np.testing.assert_allclose(np.abs(chosen.x), most)
    np.testing.assert_allclose(other.x, own.loc[most.index, "g"])
    np.testing.assert_allclose(other.low, own.loc[most.index, "low"])
    sides = np.sign(own["g"]) == np.sign(own["chosen_g"])
    kept = int(((own["low"] > 0) & sides | (own["high"] < 0) & sides).sum())
    assert f"of {len(own)} heads chosen, {kept} have" in figure.finding


def _with_rows(
    run: Run, rows: Iterable[tuple[str, str, int, float]], spec: MetricSpec, model: str
) -> Run:
    """Return the run with values (task, prompt, layer, value) of one metric more."""
    (file,) = run.measurement_files()
    made = [
        (task, prompt, 9, spec.name, layer, None, value, None)
        for task, prompt, layer, value in rows
    ]
    pq.write_table(pa.concat_tables([pq.read_table(file), table_of(model, made)]), file)
    manifest = run.manifest.model_copy(
        update={"metrics": {**run.manifest.metrics, spec.name: spec}}
    )
    (run.path / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    return Run(run.path)


def _layered(name: str) -> MetricSpec:
    return dataclasses.replace(spec_of("residual_norm"), name=name, title=name)


@pytest.mark.parametrize(
    ("name", "key"), [("massive_activations", "massive"), ("lens_kl", "logit_lens")]
)
def test_figures_of_layers_hold_the_means_and_the_quartiles(
    make: Callable[..., Run], name: str, key: str
) -> None:
    run = make([FakeModel()], tasks=["language_tasks", "technical_code"], prompts=4)
    prompts = run.prompts()[["task", "prompt_id"]].to_numpy()
    rng = np.random.default_rng(1)
    rows = [(task, prompt, layer, rng.gamma(1.0)) for task, prompt in prompts for layer in range(7)]
    run = _with_rows(run, rows, _layered(name), "SmolLM2-135M")
    frame = pd.DataFrame(rows, columns=["task", "prompt", "layer", "value"])
    if key == "massive":
        (panel,) = _figure(run, key).panels
        assert isinstance(panel, Raster)
        np.testing.assert_allclose(panel.values[0], frame.groupby("layer")["value"].mean())
        assert panel.row_names == ("SmolLM2-135M",)
        return
    prompt = str(prompts[5][1])
    figure = _figure(run, key, prompt=prompt)
    (drawn,) = figure.panels
    assert isinstance(drawn, Lines)
    own = frame[frame["prompt"] == prompt].set_index("layer")["value"]
    np.testing.assert_allclose(drawn.lines[0].y, own)
    np.testing.assert_allclose(
        drawn.lines[0].ends[0], frame.groupby("layer")["value"].quantile(0.25)
    )
    assert figure.key == f"logit_lens-{prompt}"


def test_tokens_have_the_colour_of_their_surprisal(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make([FakeModel()], tasks=["language_tasks"], prompts=2)
    text = {
        "model": "SmolLM2-135M", "task": "language_tasks", "prompt_id": "lang-002", "text": " a b",
        "finish": "end", "token_ids": [5, 6, 0], "tokens": [" a", " b", "</s>"],
        "surprisal": [0.5, 2.5, 0.25], "entropy": [1.0, 1.5, 0.1],
    }  # fmt: skip
    frame = pa.Table.from_pylist([text], schema=GENERATIONS).to_pandas()
    monkeypatch.setattr(Run, "generations", lambda self: frame)
    figure = _figure(run, "tokens")
    (panel,) = figure.panels
    assert isinstance(panel, Strip)
    assert panel.pieces == (" a", " b", "</s>")
    np.testing.assert_array_equal(panel.values, text["surprisal"])
    assert "token 2 of SmolLM2-135M, “b”" in figure.finding[:1].lower() + figure.finding[1:]
    assert "2.5 nats where the mean is 1.08" in figure.finding


@pytest.mark.slow
def test_probes_and_similarity_are_those_of_the_statistics(tmp_path: Path) -> None:
    from analysis.planted import planted_run

    from cortexscope.analysis import Analysis

    run = planted_run(tmp_path / "run", count=8, controls=False)
    analysis = Analysis(run)
    figures = {
        own.key: own for own in build_figures(run, only=["probes", "layer_similarity", "layer_cka"])
    }
    panel = figures["probes"].panels[0]
    assert isinstance(panel, Lines)
    table = analysis.table("probes")
    table = table[table["model"] == "SmolLM2-135M"]
    np.testing.assert_allclose(panel.lines[0].y, table["accuracy"])
    np.testing.assert_allclose(panel.lines[0].ends[1], table["high"])
    assert {line.label for line in panel.lines} >= {"Layer", "Chance"}
    chance = next(line for line in panel.lines if line.label == "Chance")
    np.testing.assert_allclose(chance.y, 1 / 3)
    alike, _, between = figures["layer_similarity"].panels
    assert isinstance(alike, Raster)
    assert isinstance(between, Raster)
    similar = (
        analysis.table("similarity")
        .set_index(["model", "other_model", "layer", "other"])
        .sort_index()
    )
    pairs = similar["rho"]["SmolLM2-135M", "SmolLM2-135M"]
    np.testing.assert_allclose(alike.values, alike.values.T)
    np.testing.assert_allclose(np.diag(alike.values), 1)
    assert alike.values[2, 0] == pytest.approx(pairs[0, 2])
    assert between.values[1, 2] == pytest.approx(similar["rho"]["SmolLM2-135M", "other", 1, 2])
    assert "rho" in figures["layer_similarity"].finding
    aligned, _, across = figures["layer_cka"].panels
    assert isinstance(aligned, Raster)
    assert isinstance(across, Raster)
    assert aligned.values[2, 0] == pytest.approx(
        similar["cka"]["SmolLM2-135M", "SmolLM2-135M", 0, 2]
    )
    assert across.values[1, 2] == pytest.approx(similar["cka"]["SmolLM2-135M", "other", 1, 2])
    assert "CKA" in figures["layer_cka"].finding


@pytest.mark.parametrize("tasks", [(), ("counting",)])
def test_masses_are_means_over_prompts_of_five_layers(
    tmp_path: Path, tasks: tuple[str, ...]
) -> None:
    model, asked = FakeModel(layers=8), prompts_of(["counting", "naming"], 6)
    names = ["cumulative_mass", "neuron_cumulative_mass"]
    rng, tops, rows = np.random.default_rng(2), (1, 2, 5, 10, 20, 50), []
    for prompt in asked:
        for name in names:
            for layer in range(name.startswith("neuron"), 9):
                held = np.sort(rng.random(6))
                rows += [
                    (prompt.task, prompt.id, 9, name, layer, top, float(value), None)
                    for top, value in zip(tops, held, strict=True)
                ]
    writer = RunWriter(tmp_path / "run", manifest_of([model.info()], asked, names), asked)
    writer.write_shard(model.label, 0, table_of(model.label, rows))
    writer.finish("2026-05-04T10:13:40+00:00")
    figure = _figure(Run(tmp_path / "run"), "cumulative_mass", tasks=tasks)
    frame = pd.DataFrame(rows).set_axis(
        ["task", "prompt", "n", "metric", "layer", "top", "value", "why"], axis=1
    )
    frame = frame[frame["task"].isin(tasks)] if tasks else frame
    for panel, name, layers in zip(
        figure.panels, names, ([0, 2, 4, 6, 8], [1, 3, 5, 6, 8]), strict=True
    ):
        assert isinstance(panel, Lines)
        *lines, even = panel.lines
        np.testing.assert_array_equal(even.x, even.y)
        for line, layer in zip(lines, layers, strict=True):
            assert set(line.places) == {f"layer {layer}"}
            own = frame[(frame["metric"] == name) & (frame["layer"] == layer)]
            by_top = own.groupby("top")["value"]
            np.testing.assert_array_equal(line.x, tops)
            np.testing.assert_allclose(line.y, 100 * by_top.mean())
            np.testing.assert_allclose(line.ends[0], 100 * by_top.quantile(0.25))
            np.testing.assert_allclose(line.ends[1], 100 * by_top.quantile(0.75))
    ten = frame[(frame["metric"] == names[0]) & (frame["top"] == 10)]
    most = ten.groupby("layer")["value"].mean()
    assert f"{100 * most.max():.0f} % (layer {most.idxmax()}) of the mass" in figure.finding
    assert f"n = {6 if tasks else 12} prompts" in figure.caption


@pytest.mark.slow
def test_statistics_that_take_a_while_are_drawn_where_they_are_kept_or_named(
    make: Callable[..., Run],
) -> None:
    run = make([BIG, SMALL], tasks=["language_tasks", "technical_code"], prompts=2)
    assert "selective_heads" not in {figure.key for figure in build_figures(run)}
    assert _figure(run, "selective_heads").key == "selective_heads"


def test_a_figure_is_made_of_the_metrics_and_tasks_of_choice(small_run: Run) -> None:
    made = build_figures(small_run, metrics=["residual_norm"], tasks=["technical_code"])
    keys = {figure.key for figure in made}
    assert "task_map-residual_norm-technical_code" in keys
    assert not any(key.startswith(("tokens", "power")) for key in keys)
    depth = next(figure for figure in made if figure.key.startswith("depth"))
    (panel,) = depth.panels
    assert isinstance(panel, Lines)
    rows = small_run.measurements(metrics=["residual_norm"], models=["SmolLM2-135M"])
    rows = rows[rows["task"] == "technical_code"]
    np.testing.assert_allclose(panel.lines[0].y, rows.groupby("layer")["value"].median())
    assert depth.title == "Residual norm along the depth of the models"
    assert "3 prompts of 1 task" in depth.caption


def test_heads_and_lengths_are_of_the_tasks_of_choice(small_run: Run) -> None:
    rows = small_run.measurements(metrics=[NORMALIZED], models=["SmolLM2-135M"])
    tasks = ["technical_code", "factual_questions"]
    rows = rows[rows["task"].isin(tasks)]
    heads = _figure(small_run, "heads", metrics=[NORMALIZED], tasks=tasks)
    assert isinstance(heads.panels[0], Raster)
    by_head = rows.groupby(["layer", "head"])["value"].mean().unstack()
    np.testing.assert_allclose(heads.panels[0].values, by_head)
    assert "6 prompts of 2 tasks" in heads.caption
    length = _figure(small_run, "length", metrics=[NORMALIZED], tasks=tasks)
    prompts = rows.groupby("prompt_id").agg(n=("n_tokens", "first"), value=("value", "mean"))
    (panel,) = length.panels
    assert isinstance(panel, Scatter)
    cloud = panel.clouds[0]
    np.testing.assert_allclose(np.sort(cloud.y), np.sort(prompts["value"]))
    r = np.corrcoef(prompts["n"].to_numpy(dtype=float), prompts["value"])[0, 1]
    (table,) = length.tables
    assert table.frame["r"][0] == pytest.approx(r)
    assert f"r = {r:.3f}" in cloud.statement


def test_experts_are_those_of_the_tasks_of_choice(make: Callable[..., Run]) -> None:
    tasks = ["language_tasks", "technical_code"]
    run = make([MIXTURE], prompts=2, tasks=tasks, metrics=["expert_load"])
    rows = run.measurements(metrics=["expert_load"])
    for chosen in ([], ["technical_code"]):
        (panel,) = _figure(run, "experts", tasks=chosen).panels
        assert isinstance(panel, Raster)
        own = rows[rows["task"].isin(chosen or tasks)]
        means = own.groupby(["layer", "index"])["value"].mean().unstack()
        np.testing.assert_allclose(panel.values, means)


def test_what_the_run_or_the_figure_has_not_is_said(small_run: Run) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'residual_norm'"):
        build_figures(small_run, metrics=["residual_nrom"])
    with pytest.raises(UnknownNameError, match="no task 'technical'"):
        build_figures(small_run, tasks=["technical"])
    with pytest.raises(UnknownNameError, match="no prompt 'x'"):
        build_figures(small_run, prompt="x")
    with pytest.raises(
        UsageError, match="'power' is not made for tasks of choice; these are: training, task_m"
    ):
        build_figures(small_run, only=["power"], tasks=["technical_code"])
    with pytest.raises(UsageError, match="'power' is not made for metrics of choice"):
        build_figures(small_run, only=["power"], metrics=["residual_norm"])


@pytest.mark.slow
def test_every_figure_says_what_it_shows_and_of_how_many_prompts(small_run: Run) -> None:
    for figure in build_figures(small_run):
        assert figure.finding.endswith("."), figure.key
        assert any(letter.isdigit() for letter in figure.finding), figure.key
        # The brain says how many prompts a task, of the one model it is of.
        if figure.key not in ("power", "brain"):
            assert "n = 36 prompts of 12 tasks, read by 2 models." in figure.caption, figure.key


def test_tasks_are_drawn_from_their_mean_in_both_forms(small_run: Run) -> None:
    for panel in _figure(small_run, "task_means").panels:
        for own in panel.ranges:  # type: ignore[attr-defined]
            assert np.mean(own.x) == pytest.approx(0, abs=1e-9)


def test_the_spread_of_a_column_is_its_range_over_its_mean(small_run: Run) -> None:
    panel = _figure(small_run, "task_map").panels[0]
    assert isinstance(panel, HeatMap)
    column = panel.values[:, 0]
    assert panel.said[0] == f"range {100 * np.ptp(column) / column.mean():.3g} %"


def test_the_published_models_are_those_of_table_2(tmp_path: Path) -> None:
    from audit.made_tables import cells_of, text_of

    from cortexscope.audit import published_models

    cells = cells_of()
    (tmp_path / "tables.txt").write_text(text_of(cells), encoding="utf-8")
    models = {own.name: own for own in published_models([tmp_path])}
    means = cells.groupby("Model")["Attention_Entropy"].mean()
    assert set(models) == set(means.index)
    for name, own in models.items():
        assert own.values["study.attention_entropy"] == pytest.approx(means[name], abs=5e-5)
        assert own.parameters > 1e6


def test_the_colours_of_all_grids_of_tasks_are_one_scale(small_run: Run) -> None:
    panels = _figure(small_run, "task_matrix").panels
    assert len(panels) > 1
    every = [panel.values for panel in panels if isinstance(panel, HeatMap)]
    farthest = max(np.nanmax(np.abs(values)) for values in every)
    for panel in panels:
        assert isinstance(panel, HeatMap)
        assert panel.farthest == pytest.approx(farthest)
        assert panel.scale == (f"-{farthest:.2g}", f"+{farthest:.2g}")
        np.testing.assert_allclose(panel.shades(), 0.5 + panel.values / (2 * farthest))
