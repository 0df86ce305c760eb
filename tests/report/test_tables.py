from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from analysis.planted import LENGTH, planted_run
from report.made_runs import (
    BIG,
    METRICS,
    MIXTURE,
    PAIR,
    ROUTED,
    SMALL,
    TASKS,
    FakeModel,
    make_run,
    manifest_of,
    prompts_of,
    spec_of,
    table_of,
)
from report.oracle import STUDY

from cortexscope.analysis import Analysis, Settings, prompt_values
from cortexscope.document import Ranges, Table
from cortexscope.report import TABLES, build_figures, build_tables, tables_as, write_tables
from cortexscope.report._labels import Labels
from cortexscope.stats import task_effect
from cortexscope.store import Measurements, Run, RunWriter


def _tables(run: Run) -> dict[str, Table]:
    return {table.key: table for table in build_tables(run)}


@pytest.mark.slow
def test_a_cell_is_the_mean_over_prompts_of_a_prompts_mean(small_run: Run) -> None:
    frame = _tables(small_run)["complete"].frame.set_index(["Model", "Category"]).sort_index()
    rows = small_run.measurements()
    for column, metric in STUDY.items():
        own = rows[rows["metric"] == metric]
        per_prompt = own.groupby(["model", "task", "prompt_id"])["value"].mean()
        expected = per_prompt.groupby(["model", "task"]).mean().sort_index()
        assert list(frame.index) == list(expected.index)
        np.testing.assert_allclose(frame[column], expected, rtol=1e-12)


@pytest.mark.slow
def test_lengths_and_inputs_are_counted_once_a_prompt(small_run: Run) -> None:
    frame = _tables(small_run)["complete"].frame.set_index(["Model", "Category"]).sort_index()
    rows = small_run.measurements().drop_duplicates(["model", "prompt_id"])
    expected = rows.groupby(["model", "task"])["n_tokens"].mean().sort_index()
    assert (frame["Inputs_Analyzed"] == 3).all()
    np.testing.assert_allclose(frame["Mean_Tokens"], expected.astype(float))


def test_summaries_are_plain_means_of_table_1(small_run: Run) -> None:
    tables = _tables(small_run)
    complete = tables["complete"].frame
    models = tables["models"].frame.set_index("Model")
    kinds = tables["architectures"].frame.set_index("Architecture")
    tasks = tables["categories"].frame.set_index("Category")
    for column in STUDY:
        pd.testing.assert_series_equal(
            models[column], complete.groupby("Model")[column].mean(), rtol=1e-12
        )
        pd.testing.assert_series_equal(
            kinds[column], complete.groupby("Architecture")[column].mean(), rtol=1e-12
        )
        grouped = complete.groupby("Category")[column]
        np.testing.assert_allclose(tasks[f"{column}_mean"], grouped.mean(), rtol=1e-12)
        np.testing.assert_allclose(tasks[f"{column}_std"], grouped.std(ddof=1), rtol=1e-12)


def test_models_stand_in_the_order_given_and_tasks_in_that_of_the_suite(small_run: Run) -> None:
    frame = _tables(small_run)["complete"].frame
    assert list(frame["Model"].unique()) == ["SmolLM2-135M", "all-MiniLM-L6-v2"]
    assert list(frame["Category"].unique()) == small_run.manifest.suite.tasks


@pytest.mark.slow
def test_sizes_stand_in_the_order_of_numbers(make: Callable[..., Run]) -> None:
    models = [
        dataclasses.replace(FakeModel(), label=label, parameters=parameters)
        for label, parameters in (("a", 1_400_000_000), ("b", 109_500_000), ("c", 990_000))
    ]
    frame = _tables(make(models, prompts=1))["scale"].frame
    assert list(frame["Parameters"]) == ["990.0K", "109.5M", "1.4B"]


@pytest.mark.slow
def test_top_lists_are_ranked_and_short_runs_have_short_lists(make: Callable[..., Run]) -> None:
    top = _tables(make([FakeModel()], tasks=["language_tasks", "technical_code"], prompts=2))["top"]
    assert [len(part.frame) for part in top.parts] == [2] * 5
    highest = top.parts[1].frame["Attention_Entropy"]
    lowest = top.parts[2].frame["Max_Sparsity"]
    assert highest.is_monotonic_decreasing
    assert lowest.is_monotonic_increasing
    assert list(top.frame.columns) == [
        "List",
        "Rank",
        "Model",
        "Category",
        "Mean_Tokens",
        "Value",
    ]


def test_every_metric_of_the_run_is_in_table_7(small_run: Run) -> None:
    frame = _tables(small_run)["metrics"].frame
    assert list(frame["Metric"].unique()) == list(METRICS)
    assert (frame["Prompts"] == 36).all()
    rows = small_run.measurements(metrics=["residual_norm"], models=["SmolLM2-135M"])
    expected = rows.groupby("prompt_id")["value"].mean()
    own = frame[(frame["Metric"] == "residual_norm") & (frame["Model"] == "SmolLM2-135M")]
    assert own["Mean"].item() == pytest.approx(expected.mean())
    assert own["SD"].item() == pytest.approx(expected.std(ddof=1))
    assert own["Median"].item() == pytest.approx(expected.median())


def test_one_model_has_no_standard_deviation(make: Callable[..., Run]) -> None:
    tables = _tables(make([FakeModel()], prompts=1))
    frame = tables["categories"].frame
    assert frame["Final_Activation_std"].isna().all()
    assert frame["Final_Activation_mean"].notna().all()
    assert any("no standard deviation" in note for note in tables["categories"].notes)


@pytest.mark.slow
def test_a_model_without_attention_is_undefined_and_says_why(make: Callable[..., Run]) -> None:
    blind = dataclasses.replace(SMALL, label="mamba", attention=False)
    tables = _tables(make([blind, FakeModel()], prompts=2))
    frame = tables["models"].frame.set_index("Model")
    assert np.isnan(frame["Attention_Entropy"]["mamba"])
    assert frame["Residual_Norm"]["mamba"] > 0
    assert any("mamba" in n and "no attention layers" in n for n in tables["models"].notes)
    ranked = tables["top"].parts[1].frame
    assert set(ranked["Model"]) == {"SmolLM2-135M"}


def test_an_interrupted_run_shows_what_has_been_read(make: Callable[..., Run]) -> None:
    tables = _tables(make([SMALL, BIG], prompts=1, finished=False, measured=1))
    frame = tables["complete"].frame
    unread = frame[frame["Model"] == BIG.label]
    assert len(unread) == 12
    assert (unread["Inputs_Analyzed"] == 0).all()
    assert unread["Final_Activation"].isna().all()
    assert any("12 of 24 combinations" in note for note in tables["complete"].notes)


def test_a_run_without_any_measurement_has_empty_tables(make: Callable[..., Run]) -> None:
    tables = _tables(make([SMALL], prompts=1, finished=False, measured=0))
    assert tables["complete"].frame["Final_Activation"].isna().all()
    assert len(tables["metrics"].frame) == 0
    assert len(tables["top"].frame) == 0


def test_undefined_prompts_are_left_out_of_the_mean(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A prompt of one token has no normalised entropy, and a value that is infinite is no value."""
    prompts = prompts_of(["language_tasks"], 3)
    name = "attention_entropy_normalized"
    writer = RunWriter(
        tmp_path_factory.mktemp("one") / "run",
        manifest_of([FakeModel().info()], prompts, [name]),
        prompts,
    )
    values = (0.5, None, float("inf"))
    rows = [
        (p.task, p.id, 9, name, 1, 0, value, "one token" if value is None else None)
        for p, value in zip(prompts, values, strict=True)
    ]
    writer.write_shard("SmolLM2-135M", 0, table_of("SmolLM2-135M", rows))
    tables = _tables(Run(writer.path))
    row = tables["complete"].frame.iloc[0]
    assert row["Attention_Entropy_Normalized"] == 0.5
    assert row["Inputs_Analyzed"] == 3
    summary = tables["metrics"].frame.iloc[0]
    assert (summary["Prompts"], summary["Undefined"]) == (1, 2)
    notes = " ".join(tables["complete"].notes)
    assert "one token" in notes
    assert "not a finite number" in notes


@pytest.mark.slow
def test_rows_over_a_task_or_with_a_further_index_are_in_no_cell(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    run = make_run(tmp_path_factory.mktemp("more") / "run", [FakeModel()], prompts=1)
    before = _tables(run)["complete"].frame
    extra = table_of(
        "SmolLM2-135M",
        [("language_tasks", None, None, "residual_norm", 1, None, 1e9, None)],
    )
    metrics = run.manifest.metrics
    of_tasks = dataclasses.replace(metrics["residual_norm"], replication="task")
    manifest = run.manifest.model_copy(update={"metrics": {**metrics, "residual_norm": of_tasks}})
    (run.path / "manifest.json").write_text(manifest.model_dump_json())
    writer = RunWriter(run.path, manifest, prompts_of(tuple(TASKS), 1), resume=True)
    writer.write_whole("SmolLM2-135M", "tasks", extra)
    pd.testing.assert_frame_equal(_tables(Run(run.path))["complete"].frame, before)


@pytest.mark.slow
def test_an_encoder_decoder_is_shown_by_its_encoder(make: Callable[..., Run]) -> None:
    run = make([PAIR, FakeModel()], prompts=2)
    tables = _tables(run)
    rows = run.measurements(models=["t5-small"])
    assert set(rows["stack"]) == {"encoder", "decoder", "cross"}
    own = rows[rows["stack"] == "encoder"]
    frame = tables["complete"].frame
    frame = frame[frame["Model"] == "t5-small"].set_index("Category").sort_index()
    for column, metric in STUDY.items():
        per_prompt = own[own["metric"] == metric].groupby(["task", "prompt_id"])["value"].mean()
        expected = per_prompt.groupby("task").mean().sort_index()
        np.testing.assert_allclose(frame[column], expected, rtol=1e-12)
    assert (frame["Inputs_Analyzed"] == 2).all()
    lengths = own.drop_duplicates("prompt_id").groupby("task")["n_tokens"].mean().sort_index()
    np.testing.assert_allclose(frame["Mean_Tokens"], lengths.astype(float))
    for key in ("complete", "models", "categories", "architectures", "scale", "top"):
        assert any("t5-small: the values here are those of the enc" in n for n in tables[key].notes)


@pytest.mark.slow
def test_table_7_has_a_row_for_every_stack(make: Callable[..., Run]) -> None:
    run = make([PAIR], prompts=2)
    frame = _tables(run)["metrics"].frame
    norm = frame[frame["Metric"] == "residual_norm"]
    assert list(norm["Stack"]) == ["encoder", "decoder"]
    entropy = frame[frame["Metric"] == "attention_entropy"].set_index("Stack")["Mean"]
    assert list(entropy.index) == ["encoder", "decoder", "cross"]
    rows = run.measurements(metrics=["attention_entropy"])
    for stack, mean in entropy.items():
        own = rows[rows["stack"] == stack].groupby("prompt_id")["value"].mean()
        assert mean == pytest.approx(own.mean())


def test_a_gap_in_the_decoder_is_no_gap_in_the_tables(make: Callable[..., Run]) -> None:
    run = make([PAIR], prompts=1, metrics=("attention_entropy_normalized",))
    file = run.measurement_files()[0]
    table = pq.read_table(file)
    decoder = pc.equal(table["stack"], "decoder")
    value = pc.if_else(decoder, pa.scalar(None, pa.float64()), table["value"])
    reason = pc.if_else(decoder, "no query row sees two keys", table["reason"])
    pq.write_table(
        table.set_column(9, table.schema.field(9), value).set_column(
            10, table.schema.field(10), reason
        ),
        file,
    )
    tables = _tables(run)
    assert not any("two keys" in note for note in tables["complete"].notes)
    summary = tables["metrics"].frame.set_index("Stack")
    assert list(summary["Undefined"]) == [0, 12, 0]


@pytest.mark.slow
def test_a_metric_with_an_index_is_in_no_mean(make: Callable[..., Run]) -> None:
    run = make([MIXTURE, SMALL], prompts=1, tasks=["language_tasks"], metrics=ROUTED)
    frame = _tables(run)["metrics"].frame
    assert "expert_load" not in set(frame["Metric"])
    router = frame[frame["Metric"] == "router_entropy"].set_index("Model")
    assert router["Mean"]["OLMoE-1B-7B"] == pytest.approx(3, abs=0.1)
    assert np.isnan(router["Mean"]["all-MiniLM-L6-v2"])


@pytest.mark.parametrize("key", ["metrics", "task_effects"])
def test_metrics_have_their_titles_for_readers_and_their_names_in_files(
    small_run: Run, key: str
) -> None:
    (table,) = build_tables(small_run, only=[key])
    column = table.parts[0].columns[0]
    told = [row[0] for row in table.parts[0].texts()]
    specs = small_run.manifest.metrics
    assert told == [specs[name].title for name in table.frame["Metric"]]
    assert column.titles["attention_entropy"] == "Attention entropy"
    assert "study.attention_entropy" not in tables_as([table], "text")
    assert "study.attention_entropy" in tables_as([table], "csv")
    assert "Attention entropy (study)" not in tables_as([table], "csv")


def test_metrics_of_one_title_are_told_apart() -> None:
    spec = spec_of("residual_norm")
    labels = Labels({"one": spec, "two": spec})
    assert labels.titles(["one", "two"]) == {
        "one": "Residual norm [one]",
        "two": "Residual norm [two]",
    }


@pytest.mark.slow
def test_the_task_effect_is_shown_raw_and_controlled_side_by_side(small_run: Run) -> None:
    table = build_tables(small_run)[7]
    assert table.key == "task_effects"
    frame = table.frame
    values = prompt_values(Measurements.of(small_run), ["study.attention_entropy"])
    for model in ("SmolLM2-135M", "all-MiniLM-L6-v2"):
        mine = (frame["Metric"] == "study.attention_entropy") & (frame["Model"] == model)
        (row,) = frame[mine].to_dict("records")
        own = values[values["model"] == model]
        found = task_effect(own, rng=np.random.default_rng(3))
        for form, effect in (("Raw", found.raw), ("Adjusted", found.adjusted)):
            assert row[f"Omega_Squared_{form}"] == pytest.approx(effect.omega_squared)
            if effect.p is not None:
                assert row[f"P_{form}"] == pytest.approx(effect.p, abs=0.05)
        assert row["Prompts"] == 36
    assert all(0 < p <= 1 for name in ("P_Raw", "P_Adjusted") for p in frame[name].dropna())


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"seed": 3, "permutations": 300, "resamples": 300}])
def test_a_test_has_one_p_value_in_a_run_folder(tmp_path: Path, options: dict[str, Any]) -> None:
    """Paraphrases and controls among the prompts, and other metrics beside those of the table."""
    run = planted_run(tmp_path / "run", count=8, states=False)
    if options:
        Analysis(run, settings=Settings(**options), metrics=[LENGTH]).write()
    (file,) = (path for path in write_tables(run, formats=["csv"]) if path.name == "table8.csv")
    shown = pd.read_csv(file).set_index(["Metric", "Model"])
    found = Analysis(run, settings=Settings(**options), folder=tmp_path / "anew")
    effects: Any = found.table("effects").query("factor == 'task'")
    assert len(effects) == 2 * 3 * 3
    for row in effects.itertuples():
        own = shown.loc[(row.metric, row.scope)]
        pairs = [("p", "P"), ("omega_squared", "Omega_Squared")]
        if row.form == "adjusted":
            pairs.append(("omega_squared_partial", "Partial_Omega_Squared"))
        for name, column in pairs:
            value = getattr(row, name)
            assert np.array_equal(value, own[f"{column}_{str(row.form).title()}"], equal_nan=True)
    leaders: Any = found.table("leaders")
    for row in leaders.itertuples():
        holds = {True: "yes", None: "open"}.get(row.holds)
        assert shown.loc[(row.metric, row.scope), f"Holds_{str(row.form).title()}"] == holds


@pytest.mark.slow
def test_task_means_are_drawn_raw_and_at_equal_lengths(small_run: Run) -> None:
    (figure,) = [f for f in build_figures(small_run) if f.key == "task_means"]
    values = small_run.measurements(metrics=["study.attention_entropy"])
    means = values.groupby(["model", "task"])["value"].mean()
    panel = figure.panels[0]
    assert isinstance(panel, Ranges)
    raw = panel.ranges[0]
    assert raw.label == "as measured"
    tasks = small_run.manifest.suite.tasks
    for place, task in enumerate(tasks):
        own = means["SmolLM2-135M"]
        assert raw.x[place] == pytest.approx(own[task] - own.mean())
    assert panel.line == 0
    assert len(panel.rows) == len(tasks) == 12


@pytest.mark.slow
def test_a_table_asked_for_alone_is_the_same_and_reads_its_metrics_only(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = build_tables(small_run)
    assert [(table.key, table.number) for table in every] == list(
        (key, number) for number, key in enumerate(TABLES.names(), 1)
    )
    for table in every:
        (alone,) = build_tables(small_run, only=[table.key])
        assert (alone.notes, alone.title) == (table.notes, table.title)
        pd.testing.assert_frame_equal(alone.frame, table.frame, check_exact=True)
    asked: list[Any] = []
    read = Measurements.by_prompt

    def noted(self: Measurements, metrics: Any = None, **options: Any) -> pd.DataFrame:
        asked.append(metrics)
        return read(self, metrics, **options)

    monkeypatch.setattr(Measurements, "by_prompt", noted)
    build_tables(small_run, only=["complete"])
    shown = {*every[0].frame.columns}
    assert {"Final_Activation", "Residual_Norm"} <= shown
    assert len(asked) == 1
    assert len(asked[0]) == 8
