"""Columns of the user's own are asked what tasks are asked, and find what was planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis.planted import LENGTH, MODELS, TASK, TASKS, run_with_columns
from scipy.stats import spearmanr
from typer.testing import CliRunner

from cortexscope import open_profile
from cortexscope.analysis import STANDARDISED, TABLES, Analysis, Settings
from cortexscope.analysis._groups import groups_of
from cortexscope.cli import app, main
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.store import Measurements, Run

FEW = Settings(0, 200, 400)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_with_columns(tmp_path_factory.mktemp("columns") / "run")


def analysed(run: Run, by: str, *, within: str | None = None) -> Analysis:
    return Analysis(run, by=by, within=within, settings=FEW)


def row_of(table: pd.DataFrame, **where: object) -> dict[Any, Any]:
    for name, value in where.items():
        table = table[table[name] == value]
    (row,) = table.to_dict("records")
    return row


def effect(found: Analysis, metric: str, form: str, scope: str = STANDARDISED) -> dict[Any, Any]:
    table = found.table("effects")
    return row_of(table, metric=metric, factor="task", form=form, scope=scope)


@pytest.mark.slow
def test_a_label_that_follows_length_shows_only_raw(run: Run) -> None:
    found = analysed(run, "size")
    for scope in (*(model.label for model in MODELS), STANDARDISED):
        assert effect(found, LENGTH, "raw", scope)["p_max_t"] < 0.01
        for form in ("adjusted", "matched"):
            assert effect(found, LENGTH, form, scope)["p"] > 0.05
    said = [own for own in found.sentences() if own.startswith(f"{LENGTH}, {STANDARDISED}: 'size'")]
    assert "'size' shows only raw: " in said[0]


@pytest.mark.slow
def test_a_label_that_moves_a_metric_shows_beyond_length(run: Run) -> None:
    found = analysed(run, "shown")
    assert found.groups.names == ("false", "true")
    for form in ("raw", "adjusted", "matched"):
        assert effect(found, TASK, form)["p_max_t"] < 0.01
        assert effect(found, TASK, form)["omega_squared"] > 0.05
        assert effect(found, LENGTH, form)["p_max_t"] > 0.05
    means = found.table("means")
    own = means[(means["metric"] == TASK) & (means["form"] == "raw")]
    one = own[own["scope"] == MODELS[0].label].set_index("task")["mean"]
    by_hand = run.measurements(metrics=[TASK], models=[MODELS[0].label])
    by_hand = by_hand[~by_hand["prompt_id"].str.endswith("-p")]
    labels = run.prompts().set_index("prompt_id")["attributes.shown"]
    shown = by_hand["prompt_id"].map(labels).astype(bool)
    # A paraphrase and its prompt are one, so that means differ by their noise alone.
    assert one["true"] == pytest.approx(by_hand.loc[shown, "value"].mean(), abs=0.005)
    assert one["false"] == pytest.approx(by_hand.loc[~shown, "value"].mean(), abs=0.005)
    said = list(found.sentences())
    assert said[0] == "'shown' is true or false, a label."
    assert any(
        own.startswith(f"{TASK}, {STANDARDISED}: 'shown' shows beyond length") for own in said
    )
    assert any(
        own.startswith(f"{LENGTH}, {STANDARDISED}: whether 'shown' shows is open") for own in said
    )


def test_a_number_that_raises_a_metric_has_a_slope(run: Run) -> None:
    found = analysed(run, "grade")
    table = found.table("slopes")
    for form in ("raw", "adjusted"):
        for scope in (*(model.label for model in MODELS), STANDARDISED):
            row = row_of(table, metric=TASK, scope=scope, form=form)
            assert row["p_max_t"] < 0.01
            assert 0.2 < row["low"] < row["rho"] < row["high"]
            assert row["curve_omega_squared"] > 0.1
        none = row_of(table, metric=LENGTH, scope=STANDARDISED, form=form)
        assert none["p_max_t"] > 0.05
    assert found.missing("effects") == "'grade' is a number, of which there is the table slopes"
    assert analysed(run, "shown").missing("slopes") == (
        "'shown' is a label, of which there is the table effects"
    )
    assert any(
        own.startswith(f"{TASK}, {STANDARDISED}: 'grade' shows beyond length: raw, rho =")
        for own in found.sentences()
    )


def test_slopes_are_scipys_over_clusters(run: Run) -> None:
    model = MODELS[0].label
    frame = run.measurements(metrics=[TASK], models=[model], controls=True)
    own = frame.assign(cluster=frame["prompt_id"].str.removesuffix("-p"))
    values = own.groupby(["cluster", "prompt_id"])["value"].mean().groupby("cluster").mean()
    grades = run.prompts().set_index("prompt_id")["attributes.grade"].reindex(values.index)
    row = row_of(analysed(run, "grade").table("slopes"), metric=TASK, scope=model, form="raw")
    assert row["rho"] == pytest.approx(spearmanr(values, grades).statistic)
    assert row["n"] == 90


@pytest.mark.slow
def test_a_label_that_goes_with_the_task_alone_is_nothing_inside_tasks(run: Run) -> None:
    together, apart = analysed(run, "style"), analysed(run, "style", within="task")
    assert effect(together, TASK, "raw")["p_max_t"] < 0.01
    for form in ("raw", "adjusted", "matched"):
        assert effect(apart, TASK, form)["p"] > 0.05
        assert effect(apart, TASK, form)["n"] > 0
    assert "inside 3 tasks" in effect(apart, TASK, "raw")["method"]
    assert "over groups" in effect(apart, TASK, "raw")["method"]
    assert "inside tasks" in effect(apart, TASK, "matched")["method"]
    shown = analysed(run, "shown", within="task")
    assert effect(shown, TASK, "adjusted")["p_max_t"] < 0.01
    # Tasks moved TASK too, so that what they leave tells the label more clearly.
    alone = effect(analysed(run, "shown"), TASK, "raw")["f"]
    assert effect(shown, TASK, "raw")["f"] > alone
    assert apart.missing("means") == "this table does not keep tasks apart"
    slopes = analysed(run, "grade", within="task").table("slopes")
    assert row_of(slopes, metric=TASK, scope=STANDARDISED, form="adjusted")["p_max_t"] < 0.01
    none = effect(analysed(run, "kind", within="task"), TASK, "raw")
    assert none["reason"] == "no task has prompts of two groups"


@pytest.mark.slow
def test_a_column_that_is_the_task_has_the_tasks_numbers(tmp_path: Path) -> None:
    run = run_with_columns(tmp_path / "run", count=15, states=True)
    tasks, kinds = analysed(run, "task"), analysed(run, "kind")
    for name in TABLES:
        if name == "slopes":
            continue
        one, two = tasks.table(name), kinds.table(name)
        words = [own for own in ("method", "family", "reason", "caution") if own in one]
        pd.testing.assert_frame_equal(
            one.drop(columns=words), two.drop(columns=words), check_exact=True
        )


def test_a_column_called_task_is_named_with_its_prefix(run: Run) -> None:
    assert analysed(run, "task").groups.column is None
    assert analysed(run, "attributes.task").groups.names == ("g0", "g1", "g2")
    assert effect(analysed(run, "attributes.task"), TASK, "adjusted")["p_max_t"] > 0.05


@pytest.mark.parametrize(
    ("by", "kind", "said"),
    [
        ("few", "label", "'few' has 3 whole numbers and is taken as a label; --by few:number"),
        ("many", "number", "whole numbers and is taken as a number; --by many:label"),
        ("few:number", "number", "'few' is taken as a number, as asked"),
        ("shown:number", "number", "'shown' is taken as a number, as asked"),
        ("grade", "number", "'grade' holds decimals, a number"),
        ("size", "label", "'size' holds texts, a label"),
    ],
)
def test_values_say_as_what_a_column_is_taken(run: Run, by: str, kind: str, said: str) -> None:
    groups = groups_of(Measurements.of(run), by)
    assert groups.kind == kind
    assert said in next(groups.says())


def test_prompts_without_a_value_are_left_out_and_counted(run: Run) -> None:
    found = analysed(run, 'odd "name".x')
    assert effect(found, TASK, "raw")["n"] == 45
    assert "45 of 90 prompts have no value of 'odd \"name\".x' and left out." in found.sentences()
    assert set(found.table("summary")["task"]) == {"é0", "é1", "é2"}


@pytest.mark.parametrize(
    ("by", "within", "kind", "said"),
    [
        ("gradd", None, UnknownNameError, "has no column 'gradd'; did you mean 'grade'"),
        ("size:number", None, UsageError, "holds texts, which are no numbers"),
        ("size", "stack", UsageError, "within 'task' alone"),
        ("task", "task", UsageError, "Tasks cannot be compared inside of tasks"),
        ("grade:label", None, UsageError, "and at most 50 are compared"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    run: Run, by: str, within: str | None, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    if by == "grade:label":
        run = run_with_columns(tmp_path / "run", count=300)
    with pytest.raises(kind, match=said):
        analysed(run, by, within=within)


def test_a_run_without_columns_says_so(tmp_path: Path) -> None:
    run = run_with_columns(tmp_path / "run", count=2, columns=False)
    with pytest.raises(UnknownNameError, match="its prompts have none of their own"):
        analysed(run, "size")


@pytest.mark.slow
def test_the_tasks_statistics_stay_where_they_are(tmp_path: Path) -> None:
    run = run_with_columns(tmp_path / "run", count=8)
    Analysis(run, settings=FEW).write()
    before = {file: file.read_bytes() for file in (run.path / "stats").rglob("*") if file.is_file()}
    places = set()
    for by, within in (
        ("size", None), ("size", "task"), ("few", None), ("few:number", None), ("many", None),
        ('odd "name".x', None), ("attributes.task", None),
    ):  # fmt: skip
        found = analysed(run, by, within=within)
        assert found.folder is not None
        assert found.folder.parent == run.path / "stats"
        places.add(found.folder)
        found.write()
        about = json.loads((found.folder / "stats.json").read_text(encoding="utf-8"))
        assert about["by"] == found.groups.column
        assert about["within"] == within
        assert ("slopes" in about["tables"]) == (found.groups.kind == "number")
        assert Analysis(run, by=by, within=within).settings == FEW
    assert len(places) == 7
    assert run.path / "stats" / "by-size+within-task" in places
    assert {file: file.read_bytes() for file in before} == before
    assert Analysis(run).kept("effects")
    assert analysed(run, "size").kept("effects")
    assert not analysed(run, "shown").kept("effects")


def test_a_paraphrase_that_says_another_value_is_left_out(tmp_path: Path) -> None:
    import dataclasses

    from cortexscope.records import Prompt
    from cortexscope.store import RunWriter

    run = run_with_columns(tmp_path / "run", count=10)
    prompts = run.prompts()
    asked = []
    for row in prompts.to_dict("records"):
        made = {} if pd.isna(row["origin"]) else {"control": "paraphrase", "origin": row["origin"]}
        own = Prompt(row["prompt_id"], row["task"], row["text"], **made)
        size = row["attributes.size"]
        if own.control:
            size = "long" if own.id == f"{TASKS[0]}-0-p" else None
        asked.append(dataclasses.replace(own, attributes={"size": size}))
    first = next(own for own in asked if own.id == f"{TASKS[0]}-0")
    asked[asked.index(first)] = dataclasses.replace(first, attributes={"size": "short"})
    manifest = run.manifest.model_copy(update={"status": "running", "finished": None})
    RunWriter(run.path, manifest, asked, resume=True).finish("later")
    found = analysed(Run(run.path), "size")
    values = found.table("values")
    assert f"{TASKS[0]}-0-p" not in set(values["prompt_id"])
    assert f"{TASKS[0]}-5-p" in set(values["prompt_id"])
    assert "1 paraphrases have another value of 'size' than their prompt and are left out." in list(
        found.groups.says()
    )
    assert (values.groupby("cluster")["task"].nunique() == 1).all()


def said_by(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["stats", *arguments, "--permutations", "200"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_the_command_prints_effects_slopes_and_sentences(run: Run) -> None:
    label = said_by(str(run.path), "--by", "shown", "--metric", TASK)
    assert "What 'shown' explains of all variance" in label
    assert f"{TASK}, {STANDARDISED}: 'shown' shows beyond length" in label
    number = said_by(str(run.path), "--by", "grade", "--metric", TASK)
    assert "How metrics go with 'grade': Spearman's rho" in number
    assert "'grade' shows beyond length" in number
    inside = said_by(str(run.path), "--by", "style", "--within", "task", "--metric", TASK)
    assert "inside tasks" in inside
    assert f"{TASK}, {STANDARDISED}: whether 'style' shows inside tasks is open" in inside
    same = said_by(str(run.path), "--by", "one", "--metric", TASK)
    assert "whether 'one' shows cannot be told (there is only one group)" in same
    assert (run.path / "stats" / "by-grade" / "slopes.csv").is_file()


@pytest.mark.slow
def test_by_task_is_what_the_command_does_without_it(run: Run, tmp_path: Path) -> None:
    for name, more in (("one", []), ("two", ["--by", "task"])):
        said_by(str(run.path), "--metric", TASK, "--out", str(tmp_path / name), *more)
    for file in (tmp_path / "one").glob("*.csv"):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_misspelt_column_is_a_sentence_and_two(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(run.path), "--by", "grad"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("has no column 'grad'; did you mean 'grade'?")


def test_a_profile_has_the_statistics_of_a_column(run: Run) -> None:
    profile = open_profile(run.path)
    table = profile.statistics("slopes", by="grade")
    assert set(table["form"]) == {"raw", "adjusted"}
    assert np.isfinite(table["rho"]).all()
    assert set(profile.statistics("means", by="shown")["task"]) == {"false", "true"}
