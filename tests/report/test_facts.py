from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from analysis.planted import LENGTH, MODELS, TASKS, planted_run
from report.made_runs import SMALL, FakeModel, make_run
from scipy import stats

from cortexscope.report import build_tables
from cortexscope.report._facts import facts
from cortexscope.report._frames import RunFrames
from cortexscope.store import Run


def test_facts_state_the_numbers_of_the_run(small_run: Run) -> None:
    said = facts(RunFrames(small_run))
    rows = small_run.measurements(metrics=["study.attention_entropy"])
    for label in ("SmolLM2-135M", "all-MiniLM-L6-v2"):
        own = rows[rows["model"] == label]
        r = stats.pearsonr(own["n_tokens"].astype(float), own["value"]).statistic
        assert f"{r:.3f} ({label})" in said[0]
        assert f"{100 * r * r:.1f} %" in said[0]
    assert said[1].startswith(
        "The task with the highest study entropy is open in 2 of 2 models, where its lead may be "
    )


def test_the_highest_task_is_named_where_table_8_says_that_it_holds(tmp_path: Path) -> None:
    """One sentence, one verdict: what Table 8 calls open names no task."""
    run = planted_run(tmp_path / "run", controls=False, states=False)
    said = " ".join(facts(RunFrames(run)))
    assert "The task with the highest study entropy is telling in 2 of 2 models" in said
    assert "its prompts are the longest in 2; at equal lengths it is still the highest in 0" in said
    assert "The task with the highest normalised entropy is naming in 2 of 2 models" in said
    level = planted_run(tmp_path / "level", count=8, tasks=TASKS[::2], longer=1.0, states=False)
    said = " ".join(facts(RunFrames(level)))
    table = build_tables(level)[7].frame
    own = table[(table["Metric"] == LENGTH) & table["Model"].isin([m.label for m in MODELS])]
    assert list(own["Holds_Raw"]) == ["open", "open"]
    assert "The task with the highest study entropy is open in 2 of 2 models" in said


def test_the_share_of_the_first_token_is_the_mean_of_table_1(small_run: Run) -> None:
    rows = small_run.measurements(metrics=["attention_sink_mass"])
    per_prompt = rows.groupby(["model", "task", "prompt_id"])["value"].mean()
    means: pd.Series[float] = per_prompt.groupby("model").mean()
    sentence = facts(RunFrames(small_run))[2]
    assert f"{100 * means['SmolLM2-135M']:.1f} % (SmolLM2-135M)" in sentence


def test_nothing_is_said_of_what_is_not_known(make: Callable[..., Run]) -> None:
    run = make([SMALL], prompts=1, metrics=("residual_norm",))
    assert facts(RunFrames(run)) == ()


def test_one_model_is_spoken_of_alone(make: Callable[..., Run], tmp_path: Path) -> None:
    said = facts(RunFrames(make([FakeModel()], prompts=2)))
    assert all("between" not in sentence for sentence in said)
    assert "open in 1 of 1 model," in said[1]
    alone = facts(RunFrames(make_run(tmp_path / "one", [FakeModel()], prompts=1)))
    assert "unknown in 1 of 1 model (" in alone[1]
