"""The statistics of a run find what was planted in it, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis.planted import LENGTH, MODELS, NEURON, TASK, TASKS, planted_run
from typer.testing import CliRunner

from cortexscope.analysis import (
    IN_UNITS,
    STANDARDISED,
    TABLES,
    Analysis,
    Settings,
    prompt_values,
    without_controls,
)
from cortexscope.cli import app, main
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.stats import Remembered, benjamini_hochberg, task_effect
from cortexscope.store import Measurements, Run

SCOPES = [*(model.label for model in MODELS), STANDARDISED]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted_run(tmp_path_factory.mktemp("planted") / "run")


def analysed(run: Run, *, metrics: list[str] | None = None, seed: int = 0) -> Analysis:
    return Analysis(run, metrics=metrics, settings=Settings(seed, 400, 400))


def tables_of(found: Analysis) -> dict[str, pd.DataFrame]:
    return {name: found.table(name) for name in found.names}


def missing_of(found: Analysis) -> dict[str, str]:
    return {name: why for name in found.names if (why := found.missing(name)) is not None}


@pytest.fixture(scope="module")
def found(run: Run) -> Analysis:
    return analysed(run)


def row_of(table: pd.DataFrame, **where: object) -> dict[Any, Any]:
    """Return the one row that has these values."""
    for name, value in where.items():
        table = table[table[name] == value]
    (row,) = table.to_dict("records")
    return row


def effect(found: Analysis, metric: str, form: str, scope: str = STANDARDISED) -> dict[Any, Any]:
    table = found.table("effects")
    return row_of(table, metric=metric, factor="task", form=form, scope=scope)


def test_values_are_means_over_layers_and_heads(run: Run) -> None:
    values = prompt_values(Measurements.of(run), [LENGTH, TASK])
    frame = run.measurements(controls=True)
    for metric in (LENGTH, TASK):
        own = values[values["metric"] == metric].set_index(["model", "prompt_id"])["value"]
        by_hand = frame[frame["metric"] == metric].groupby(["model", "prompt_id"])["value"].mean()
        pd.testing.assert_series_equal(
            own.sort_index(), by_hand.sort_index(), rtol=1e-12, check_index_type=False
        )
    kinds = values.drop_duplicates("prompt_id").groupby("kind").size().to_dict()
    assert kinds == {"original": 60, "paraphrase": 30, "random": 60}
    assert (values.groupby("cluster")["task"].nunique() == 1).all()


def test_length_passes_for_a_task_raw_and_not_when_controlled(found: Analysis) -> None:
    for scope in SCOPES:
        assert effect(found, LENGTH, "raw", scope)["p"] < 0.01
        for form in ("adjusted", "matched"):
            row = effect(found, LENGTH, form, scope)
            assert row["p"] > 0.05
            assert abs(row["omega_squared"]) < 0.1


def test_a_true_effect_survives_length_control(found: Analysis) -> None:
    for scope in SCOPES:
        for form in ("raw", "adjusted", "matched"):
            assert effect(found, TASK, form, scope)["p"] < 0.01
            assert effect(found, TASK, form, scope)["omega_squared"] > 0.3


def test_effects_are_those_of_task_effect(run: Run, found: Analysis) -> None:
    values = prompt_values(Measurements.of(run), [TASK])
    values = values[values["kind"].isin(["original", "paraphrase"])]
    direct = task_effect(values, rng=np.random.default_rng(5), permutations=400)
    row = effect(found, TASK, "adjusted")
    assert row["f"] == pytest.approx(direct.adjusted.statistic)
    assert row["omega_squared"] == pytest.approx(direct.adjusted.omega_squared)
    assert row["n"] == direct.n == 60


@pytest.mark.slow
def test_families_are_adjusted_as_declared(found: Analysis) -> None:
    table = found.table("effects")
    for name in ("effects", "task_contrasts", "model_contrasts", "depth"):
        table = found.table(name).dropna(subset=["p"])
        assert (table["p_max_t"] >= table["p"] - 1e-12).all()
        assert (table["p_max_t"] >= table["p_least"]).all()
        assert (table["p_least"] >= 1 / 401).all()
    for _, own in found.table("heads").groupby(["metric", "model"]):
        np.testing.assert_allclose(own["p_bh"], benjamini_hochberg(own["p"]))
        assert (own["p_least"] <= 4 / 401).all()


def test_the_p_of_a_metric_counts_all_metrics_at_once(run: Run, found: Analysis) -> None:
    """Westfall and Young by hand: of each permutation the largest F of the metrics left."""
    values = without_controls(prompt_values(Measurements.of(run), [LENGTH, TASK]))
    model = MODELS[0].label
    shuffled = Remembered(0)
    raw: dict[str, Any] = {
        metric: task_effect(
            values[(values["model"] == model) & (values["metric"] == metric)],
            rng=np.random.default_rng(9), permutations=400, shuffled=shuffled,
        ).raw
        for metric in (LENGTH, TASK)
    }  # fmt: skip
    first, last = sorted(raw, key=lambda metric: -raw[metric].statistic)
    drawn = {metric: raw[metric].permuted for metric in raw}
    both = np.maximum(drawn[first], drawn[last])
    least = (np.sum(both >= raw[first].statistic) + 1) / 401
    assert effect(found, first, "raw", model)["p_max_t"] == pytest.approx(least)
    alone = (np.sum(drawn[last] >= raw[last].statistic) + 1) / 401
    assert effect(found, last, "raw", model)["p_max_t"] == pytest.approx(max(least, alone))


def test_contrasts_and_variance_have_rows_of_each_model(run: Run, found: Analysis) -> None:
    contrasts = found.table("task_contrasts")
    assert list(dict.fromkeys(contrasts["model"])) == SCOPES
    values = without_controls(prompt_values(Measurements.of(run), [TASK]))
    own = values[values["model"] == "other"].groupby(["task", "cluster"])["value"].mean()
    means = own.groupby("task").mean()
    row = row_of(contrasts, metric=TASK, model="other", form="raw", a="counting", b="naming")
    assert row["difference"] == pytest.approx(means["counting"] - means["naming"])
    assert set(found.table("variance")["scope"]) == {*SCOPES, IN_UNITS}
    assert set(found.table("mixed")["scope"]) == {*SCOPES, IN_UNITS}
    between = found.table("effects").query("factor == 'model'")
    assert set(between["scope"]) == {IN_UNITS}


@pytest.mark.slow
def test_numbers_do_not_depend_on_what_is_computed_beside_them(run: Run, found: Analysis) -> None:
    alone = analysed(run, metrics=[TASK])
    for name in ("effects", "means", "leaders", "task_contrasts", "depth", "heads"):
        whole = found.table(name)
        whole = whole[whole["metric"] == TASK].reset_index(drop=True)
        beside = [column for column in ("p_max_t", "p_least") if name == "effects"]
        one, other = (table.drop(columns=beside) for table in (alone.table(name), whole))
        assert one.to_csv(index=False) == other.to_csv(index=False)


@pytest.mark.slow
def test_the_highest_task_is_named_and_length_is_not_taken_for_it(found: Analysis) -> None:
    table = found.table("leaders")
    for scope in SCOPES:
        assert row_of(table, metric=LENGTH, scope=scope, form="raw")["task"] == "telling"
        assert row_of(table, metric=LENGTH, scope=scope, form="raw")["holds"] is True
        assert row_of(table, metric=LENGTH, scope=scope, form="adjusted")["holds"] is not True
        for form in ("raw", "adjusted"):
            assert row_of(table, metric=TASK, scope=scope, form=form)["task"] == "naming"
            assert row_of(table, metric=TASK, scope=scope, form=form)["holds"] is True
    said = list(found.sentences())
    first = f"{LENGTH}, {STANDARDISED}: highest in telling raw"
    assert any(s.startswith(first) and "not survive" in s for s in said)
    first = f"{TASK}, {STANDARDISED}: highest in naming"
    assert any(s.startswith(first) and "controlled too" in s for s in said)


def test_a_task_that_leads_by_chance_is_called_open(tmp_path: Path) -> None:
    few = planted_run(tmp_path / "few", count=8, tasks=("counting", "telling"), longer=1.0)
    found = analysed(few, metrics=[LENGTH])
    row = row_of(found.table("leaders"), scope=STANDARDISED, form="raw")
    assert row["holds"] is None
    said = next(found.sentences())
    assert said.startswith(
        f"{LENGTH}, {STANDARDISED}: which task is highest is open ({row['task']}"
    )


def test_random_tokens_are_compared_with_their_prompts(run: Run, found: Analysis) -> None:
    table = found.table("controls")
    values = prompt_values(Measurements.of(run), [TASK])
    own = values[values["model"] == "other"].set_index("prompt_id")
    pairs = own[own["kind"] == "random"]
    difference = pairs["value"].to_numpy() - own.loc[pairs["cluster"], "value"].to_numpy()
    row = row_of(table, metric=TASK, model="other", control="random")
    assert row["n"] == 60
    assert row["difference"] == pytest.approx(difference.mean())
    assert row["low"] < difference.mean() < row["high"] < -0.2
    assert row["p"] < 0.01
    assert row["tokens"] == 1.0
    assert row_of(table, metric=TASK, model="other", control="paraphrase")["n"] == 30


@pytest.mark.slow
def test_the_layer_that_tells_tasks_apart_is_found(found: Analysis) -> None:
    for model in MODELS:
        probes = found.table("probes")
        own = [row_of(probes, model=model.label, layer=layer) for layer in range(3)]
        assert own[2]["accuracy"] > 0.9
        assert max(own[0]["accuracy"], own[1]["accuracy"]) < 0.6
        assert own[2]["beats"]
        silhouettes = found.table("silhouettes")
        spread = [row_of(silhouettes, model=model.label, layer=layer) for layer in range(3)]
        assert max(spread, key=lambda row: row["silhouette"])["layer"] == 2
        assert spread[2]["adjusted_p"] < 0.05
    similar = found.table("similarity")
    one, two = (model.label for model in MODELS)
    rows = [
        row_of(similar, model=one, other_model=two, layer=layer, other=layer) for layer in (1, 2)
    ]
    assert rows[1]["p"] < 0.05
    assert rows[1]["rho"] > rows[0]["rho"]


def test_heads_and_depth_show_where_tasks_differ(found: Analysis) -> None:
    depth = found.table("depth")
    assert set(depth["metric"]) == {TASK}
    assert set(depth["layer"]) == {1, 2}
    assert (depth["p_max_t"] < 0.05).all()
    assert set(map(tuple, found.table("heads")[["layer", "head"]].to_numpy())) == {
        (1, 0), (1, 1), (2, 0), (2, 1)
    }  # fmt: skip
    assert set(found.table("selective")["task"]) == set(TASKS)


def test_the_selective_neuron_is_found(run: Run, found: Analysis) -> None:
    table = found.table("selective_neurons")
    assert set(table["model"]) == {MODELS[0].label}
    assert set(table["task"]) == set(TASKS)
    for kind in ("raw", "adjusted"):
        row = row_of(table, values=kind, task="counting", rank=1)
        assert (row["layer"], row["index"]) == NEURON
        assert row["p_bh"] < 0.01
        assert 1 < row["low"] < row["g"] < row["high"]
    others = table[(table["task"] != "counting") & (table["rank"] > 1)]
    assert (others["p_bh"] > 0.01).all()
    (said,) = (sentence for sentence in list(found.sentences()) if "neuron" in sentence)
    adjusted = table[table["values"] == "adjusted"].dropna(subset=["p"])
    best = adjusted.iloc[int(adjusted["chosen_g"].abs().to_numpy().argmax())]
    start = f"{MODELS[0].label}: the most selective neuron on half of the prompts is"
    start += f" {best['index']} of layer {best['layer']}, for {best['task']}"
    assert said.startswith(f"{start}; on the other half Hedges g is {best['g']:.2f} ")
    kept = run.mean_neurons(MODELS[0].label)
    assert kept is not None
    assert kept.layers == (1, 2)
    assert run.mean_neurons("other") is None


@pytest.mark.slow
def test_every_table_is_written_and_explained(run: Run, found: Analysis, tmp_path: Path) -> None:
    found = Analysis(run, settings=found.settings, folder=tmp_path)
    paths = found.write()
    about = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert {path.stem for path in paths} == {*found.names, "stats"}
    assert about["tables"] == {name: TABLES[name].holds for name in found.names}
    assert about["missing"] == {}
    for name, table in tables_of(found).items():
        read = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=True)
        assert list(read.columns) == list(table.columns)
        assert len(read) == len(table)
    undefined = [
        table["reason"].isna() & table["p"].isna()
        for table in tables_of(found).values()
        if {"p", "reason"} <= set(table.columns)
    ]
    assert not any(found.any() for found in undefined)
    assert run.path.name == "run"


def test_the_same_seed_gives_the_same_and_another_other_draws(run: Run, found: Analysis) -> None:
    again = analysed(run)
    other = analysed(run, seed=1)
    for name, table in tables_of(found).items():
        pd.testing.assert_frame_equal(table, again.table(name))
    assert not found.table("effects").equals(other.table("effects"))
    pd.testing.assert_frame_equal(found.table("variance"), other.table("variance"))


@pytest.mark.slow
def test_what_a_run_lacks_is_said(tmp_path: Path) -> None:
    bare = planted_run(tmp_path / "bare", count=6, controls=False, states=False)
    found = analysed(bare, metrics=[LENGTH])
    assert set(missing_of(found)) == {
        "controls", "depth", "heads", "selective", "selective_neurons",
        "probes", "probe_baselines", "silhouettes", "similarity",
    }  # fmt: skip
    assert "--no-states" in missing_of(found)["probes"]
    assert "--keep-neurons" in missing_of(found)["selective_neurons"]
    assert set(found.table("summary")["metric"]) == {LENGTH}
    assert found.table("summary")["caution"].notna().all()
    assert any("too few" in sentence for sentence in found.sentences())


@pytest.mark.slow
def test_one_task_has_nothing_to_be_compared_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = planted_run(tmp_path / "alone", count=12, tasks=("naming",))
    options = ["--resamples", "100", "--permutations", "100"]
    assert main(["stats", str(alone.path), *options]) == 0
    said = capsys.readouterr().out
    assert "cannot be told (there is no other task)" in said
    assert "no probe (there are fewer than 2 tasks)" in said
    about = json.loads((alone.path / "stats" / "stats.json").read_text(encoding="utf-8"))
    for name in ("task_contrasts", "depth", "heads", "selective"):
        assert about["missing"][name] == "there is one task"
    means = pd.read_csv(alone.path / "stats" / "means.csv")
    assert means["low"].notna().all()


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_few_prompts_a_task_are_no_fault(tmp_path: Path, count: int) -> None:
    few = planted_run(tmp_path / "few", count=count, controls=False)
    found = Analysis(few, settings=Settings(0, 100, 100))
    leaders = found.table("leaders")
    assert (leaders["reason"].notna() | leaders["holds"].notna()).all()
    assert leaders["low"].isna().all() == (count == 1)
    assert leaders.loc[leaders["low"].notna(), "caution"].notna().all()
    assert list(found.sentences())


@pytest.mark.slow
def test_lengths_that_no_two_tasks_share_are_not_taken_for_controlled(tmp_path: Path) -> None:
    apart = planted_run(tmp_path / "apart", tasks=("naming", "telling"), longer=40.0)
    found = Analysis(apart, metrics=[LENGTH], settings=Settings(0, 200, 200))
    (said, *_) = found.sentences()
    assert "telling raw" in said
    assert "whether that survives length control cannot be told (only 0 % of the prompts" in said
    assert effect(found, LENGTH, "adjusted")["reason"].startswith("only 0 %")
    assert np.isnan(effect(found, LENGTH, "adjusted")["p"])


def test_misuse_is_one_sentence(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'attention_entropy_normalized'"):
        Analysis(run, metrics=["attention_entropy_normalised"])
    with pytest.raises(UsageError, match="at least 1"):
        Settings(resamples=0)
    assert main(["stats", str(tmp_path / "nowhere")]) == 1
    assert "There is no run in" in capsys.readouterr().err
    assert main(["stats", str(run.path), "--metric", "nothing"]) == 2


@pytest.mark.slow
def test_the_command_writes_and_says_what_holds(run: Run, tmp_path: Path) -> None:
    options = ["--resamples", "200", "--permutations", "200", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["stats", str(run.path), *options])
    assert result.exit_code == 0
    assert f"{LENGTH}, {STANDARDISED}: highest in telling raw" in result.stdout
    assert "layer 2 tells the tasks apart best" in result.stdout
    assert "other and other" not in result.output
    assert (tmp_path / "out" / "effects.csv").is_file()
    assert not list((run.path / "stats").glob("*.csv"))
