from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from report.made_runs import SMALL, FakeModel
from scipy import stats

from cortexscope.report._facts import facts
from cortexscope.report._frames import read_frames
from cortexscope.store import Run


def test_facts_state_the_numbers_of_the_run(small_run: Run) -> None:
    said = facts(read_frames(small_run))
    rows = small_run.measurements(metrics=["study.attention_entropy"])
    for label in ("SmolLM2-135M", "all-MiniLM-L6-v2"):
        own = rows[rows["model"] == label]
        r = stats.pearsonr(own["n_tokens"].astype(float), own["value"]).statistic
        assert f"{r:.3f} ({label})" in said[0]
        assert f"{100 * r * r:.1f} %" in said[0]
    assert said[1].startswith(
        "The task mathematical reasoning has the highest study entropy in 2 of 2 models, "
        "and the longest prompts in 2 of 2."
    )


def test_the_share_of_the_first_token_is_the_mean_of_table_1(small_run: Run) -> None:
    rows = small_run.measurements(metrics=["attention_sink_mass"])
    per_prompt = rows.groupby(["model", "task", "prompt_id"])["value"].mean()
    means: pd.Series[float] = per_prompt.groupby("model").mean()
    sentence = facts(read_frames(small_run))[2]
    assert f"{100 * means['SmolLM2-135M']:.1f} % (SmolLM2-135M)" in sentence


def test_nothing_is_said_of_what_is_not_known(make: Callable[..., Run]) -> None:
    run = make([SMALL], prompts=1, metrics=("residual_norm",))
    assert facts(read_frames(run)) == ()


def test_one_model_is_spoken_of_alone(make: Callable[..., Run]) -> None:
    said = facts(read_frames(make([FakeModel()], prompts=2)))
    assert all("between" not in sentence for sentence in said)
    assert "1 of 1 model," in said[1]
