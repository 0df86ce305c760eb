"""Checkpoints of one training: found by their names, and what happens between them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from comparing.conftest import Comparer, noisy, saved, small
from models.tiny import tiny_config
from transformers import LlamaForCausalLM

from cortexscope.analysis import Analysis
from cortexscope.document import Lines
from cortexscope.errors import ModelNotFoundError, UsageError
from cortexscope.models import expand, parse_reference
from cortexscope.report import build_report
from cortexscope.report._shown import Shown
from cortexscope.report.figures import Options, figures_of
from cortexscope.report.sections.training import build
from cortexscope.store import Run

DONE = {10: 0.0, 100: 0.02, 40: 0.01, 400: 0.9, 1000: 1.0}
"""How much of the way between two sets of weights is done at each step."""
STEPS = tuple(sorted(DONE))


def trained(folder: Path) -> Path:
    """Save checkpoints as a training does; a file and a folder beside them are none."""
    torch.manual_seed(0)
    first = LlamaForCausalLM(tiny_config(num_hidden_layers=2))
    last = LlamaForCausalLM(tiny_config(num_hidden_layers=2))
    last.load_state_dict(first.state_dict())
    noisy(last, scale=0.8)
    for step, done in DONE.items():
        model = LlamaForCausalLM(tiny_config(num_hidden_layers=2))
        with torch.no_grad():
            for own, one, two in zip(*(m.parameters() for m in (model, first, last)), strict=True):
                own.copy_(torch.lerp(one, two, done))
        saved(folder / f"checkpoint-{step}", model)
    (folder / "runs").mkdir()
    return folder


@pytest.fixture
def compared_run(tmp_path: Path, comparer: Comparer) -> Run:
    return comparer([str(trained(tmp_path / "out"))], metrics=("residual_norm",))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("out", ("out@20", "out@500", "out@1000")),
        ("out/@*", ("out/@20", "out/@500", "out/@1000")),
        ("mine=out", ("mine@20=out@20", "mine@500=out@500", "mine@1000=out@1000")),
        ("out~layers:2", ("out@20~layers:2", "out@500~layers:2", "out@1000~layers:2")),
        (
            "org/name+out",
            ("org/name+out@20", "org/name+out@500", "org/name+out@1000"),
        ),
        ("out/checkpoint-500", ("out/checkpoint-500",)),
        ("org/name@step20", ("org/name@step20",)),
    ],
)
def test_a_folder_of_checkpoints_is_written_out_by_step(
    text: str, found: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (500, 1000, 20):
        (tmp_path / "out" / f"checkpoint-{step}").mkdir(parents=True)
    (tmp_path / "out" / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert expand([text]) == found
    checkpoints = [parse_reference(own).checkpoint for own in found]
    told = [own for own in checkpoints if own is not None]
    assert all(str(one.step) in own for one, own in zip(told, found, strict=True))
    assert len({own.of for own in told}) == 1


def test_a_folder_that_is_a_model_itself_stands_for_its_checkpoints_only_if_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "checkpoint-7").mkdir()
    (tmp_path / "config.json").touch()
    assert expand([str(tmp_path)]) == (str(tmp_path),)
    assert expand([f"{tmp_path}@*"]) == (f"{tmp_path}@7",)


@pytest.mark.parametrize(
    ("text", "label", "of", "step"),
    [
        ("org/name@step1000", "name@step1000", "org/name", 1000),
        ("pythia-160m@step512", "pythia-160m@step512", "EleutherAI/pythia-160m", 512),
        ("org/name@stage1-step7-tokens1B", "name@stage1-step7-tokens1B", "org/name@stage1", 7),
        ("mine=org/name@global_step9", "mine", "org/name", 9),
    ],
)
def test_revisions_tell_their_step(text: str, label: str, of: str, step: int) -> None:
    found = parse_reference(text)
    assert found.label == label
    assert found.checkpoint == (of, step)
    assert parse_reference("org/name@main").checkpoint is None
    assert parse_reference("org/name@step-by-step").checkpoint is None


def test_checkpoints_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out" / "checkpoint-20").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError, match="no checkpoint '21'; it has those of step 20"):
        parse_reference("out@21")
    with pytest.raises(UsageError, match="holds no checkpoints"):
        expand(["empty@*"])
    with pytest.raises(UsageError, match="org/name@step1000"):
        expand(["org/name@*"])


@pytest.mark.slow
def test_the_course_is_that_of_the_prompts_at_each_checkpoint(compared_run: Run) -> None:
    infos = {info.model: info for info in compared_run.manifest.models}
    labels = [f"out@{step}" for step in STEPS]
    assert [*infos] == labels
    assert [infos[own].training_step for own in labels] == [*STEPS]
    models = compared_run.models()
    assert models["training_step"].tolist() == [*STEPS]
    assert models["checkpoint_of"].nunique() == 1

    analysis = Analysis(compared_run)
    course = analysis.table("training_course")
    assert {"kl", "residual_norm", "bits_per_byte"} == {*course["metric"]}
    values = analysis.table("values")
    for metric, task in itertools.product(("residual_norm", "bits_per_byte"), (None, "naming")):
        own = values[values["metric"] == metric]
        own = own if task is None else own[own["task"] == task]
        wide = own.pivot(index="prompt_id", columns="model", values="value")[labels]
        rows = course[course["metric"] == metric]
        rows = rows[rows["task"].isna() if task is None else rows["task"] == task]
        assert rows["step"].tolist() == [*STEPS]
        np.testing.assert_allclose(rows["mean"], wide.mean(), rtol=1e-12)
        apart = wide.sub(wide[labels[-1]], axis=0)
        np.testing.assert_allclose(rows["difference"][:-1], apart.mean()[:-1], rtol=1e-9)
        assert rows["difference"].iloc[-1:].isna().all()
        assert rows["reason"].iloc[-1] == "it is the last checkpoint"
        assert (rows["difference_low"] <= rows["difference"]).iloc[:-1].all()


@pytest.mark.slow
def test_divergence_is_from_the_last_checkpoint_unless_another_is_named(
    tmp_path: Path, comparer: Comparer, compared_run: Run
) -> None:
    pairs = Analysis(compared_run).table("compared_predictions")
    assert {*pairs["base"]} == {"out@1000"}
    course = Analysis(compared_run).table("training_course")
    own = course[(course["metric"] == "kl") & course["task"].isna()].set_index("model")
    whole = pairs[pairs["task"].isna()].set_index("model")
    for model in whole.index:
        assert own.loc[model, "mean"] == pytest.approx(whole.loc[model, "kl"], rel=1e-12)
    assert own.loc["out@1000", "mean"] == 0
    assert own["mean"].is_monotonic_decreasing
    other = comparer([str(tmp_path / "out")], name="other", baseline="out@10")
    assert {*Analysis(other).table("compared_predictions")["base"]} == {"out@10"}


@pytest.mark.slow
def test_changes_are_dated_by_the_checkpoints_between_which_they_happen(compared_run: Run) -> None:
    analysis = Analysis(compared_run)
    changes = analysis.table("training_changes").set_index("metric")
    course = analysis.table("training_course")
    for metric, row in changes.iterrows():
        own = course[(course["metric"] == metric) & course["task"].isna()]
        means = own["mean"].to_numpy()
        if row["p_bh"] > 0.05:
            assert np.isnan(row["half_step"])
            assert row["half_reason"]
            continue
        way = (means - means[0]) / (means[-1] - means[0])
        at = next(number for number, done in enumerate(way) if done >= 0.5)
        assert (row["half_after"], row["half_step"]) == (STEPS[at - 1], STEPS[at])
        assert row["half_low"] <= row["half_step"] <= row["half_high"]
        told = [step for step, p in zip(STEPS, own["p"], strict=True) if p <= 0.05]
        after = [step for step in STEPS if step > max(told)]
        settled = after[0] if after[0] != STEPS[-1] else np.nan
        assert row["settled_step"] == pytest.approx(settled, nan_ok=True)
    # 90 % of the way between the weights is done at step 400, and 2 % at step 100.
    assert changes.loc["kl", "half_step"] == 400
    assert any("half of its way" in own for own in analysis.sentences_of("training_changes"))


@pytest.mark.slow
def test_two_checkpoints_and_two_trainings_have_no_course(
    tmp_path: Path, comparer: Comparer
) -> None:
    for name, seed in (("checkpoint-1", 0), ("checkpoint-2", 1)):
        small(tmp_path / "a" / name, layers=1, seed=seed)
    third = small(tmp_path / "b" / "checkpoint-3", layers=1, seed=2)
    found = comparer([str(tmp_path / "a"), str(third)])
    analysis = Analysis(found)
    assert {*analysis.table("compared_predictions")["base"]} == {"a@1"}
    assert "training_course" not in analysis.names
    assert analysis.missing("training_course") == "no training has 3 checkpoints in the run"


@pytest.mark.slow
def test_the_report_shows_the_course_with_a_place_for_step_0(
    tmp_path: Path, comparer: Comparer
) -> None:
    for number, step in enumerate((0, 1, 2000)):
        small(tmp_path / "t" / f"step{step}", layers=1, seed=number // 2, change=lambda m: None)
    found = comparer([f"mine={tmp_path / 't'}"])
    shown = Shown(found)
    (figure,) = shown.figures_named("training")
    panels = {panel.title: panel for panel in figure.panels if isinstance(panel, Lines)}
    course = Analysis(found).table("training_course")
    own = course[(course["metric"] == "residual_norm") & course["task"].isna()]
    panel = panels[shown.labels.title("residual_norm")]
    assert panel.x_log
    (line,) = panel.lines
    assert line.x.tolist() == [0.5, 1, 2000]
    assert line.places == ("step 0", "step 1", "step 2,000")
    np.testing.assert_array_equal(line.y, own["mean"])
    assert "step 0" in figure.caption
    (by_task,) = figures_of(shown.frames, shown.labels, ["training"], Options(tasks=("naming",)))
    lines = [line for panel in by_task.panels if isinstance(panel, Lines) for line in panel.lines]
    assert {line.label for line in lines} == {"naming"}
    section = build(shown)
    assert section is not None
    assert "training" in [own.key for own in build_report(found).sections]
