"""Every value states how many tokens stand behind it, and truly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model
from panel import places

from cortexscope.engine import Generation, RunRequest, Settings, run
from cortexscope.measure import attach
from cortexscope.metrics import GROUPS, METRICS

LENGTHS = [37, 20, 6, 1]
SAMPLE = 5
ALL = [name for rows in GROUPS.values() for name in rows]
KEYS = ["metric", "stack", "layer", "head", "index"]

AFTER_THE_FIRST = (
    "attention_sink_mass",
    "attention_first_token_mass",
    "attention_previous_token",
    "residual_norm_rest",
    "cosine_within_rest",
    "surprisal",
)


def measured(family: str, sample: int | None = SAMPLE) -> pd.DataFrame:
    model = tiny_model(family)
    # What is measured on inputs of its own is nothing that a pass shows.
    specs = [METRICS.load(name).spec for name in ALL]
    names = [
        spec.name
        for spec in specs
        if spec.replication != "sequence" and not {"masked", "masked.word"} & {*spec.needs}
    ]
    inputs = inputs_for(FAMILIES[family], LENGTHS)
    with attach(model, metrics=names, sample_tokens=sample) as probe, torch.no_grad():
        model(**inputs)
    return probe.frame()


@pytest.fixture(scope="module", params=["llama", "gpt_oss", "t5", "falcon_h1"])
def frame(request: pytest.FixtureRequest) -> pd.DataFrame:
    return measured(request.param)


def test_every_value_of_a_prompt_has_its_tokens_and_nothing_else_has(frame: pd.DataFrame) -> None:
    defined = frame["value"].notna()
    assert frame[~defined]["tokens_used"].isna().all()
    assert frame[defined]["tokens_used"].notna().all()
    of_prompts = frame[defined & frame["n_tokens"].notna()]
    assert (of_prompts["tokens_used"] >= 0).all()
    assert (of_prompts["tokens_used"] <= of_prompts["n_tokens"]).all()


def test_a_sampled_value_has_no_more_tokens_than_the_sample(frame: pd.DataFrame) -> None:
    sampled = [name for name in ALL if METRICS.load(name).spec.sampled]
    own = frame[frame["metric"].isin(sampled) & frame["value"].notna()]
    assert own["metric"].nunique() > 20
    assert (own["tokens_used"] <= np.minimum(own["n_tokens"], SAMPLE)).all()
    whole = own[own["metric"].isin(["attention_max_probability", "kurtosis_tokens", "neuron_dead"])]
    assert (whole["tokens_used"] == np.minimum(whole["n_tokens"], SAMPLE)).all()


def test_means_say_what_they_are_means_over(frame: pd.DataFrame) -> None:
    own = frame[frame["value"].notna()]
    every = own[own["metric"].isin(["residual_norm", "attention_entropy", "token_entropy"])]
    assert (every["tokens_used"] == every["n_tokens"]).all()
    rest = own[own["metric"].isin(AFTER_THE_FIRST)]
    assert (rest["tokens_used"] == rest["n_tokens"] - 1).all()
    last = own[own["metric"].isin(["angular_distance", "mixer_state_norm"])]
    assert (last["tokens_used"] == 1).all()


def test_rows_that_are_left_out_are_not_counted() -> None:
    frame = measured("llama")
    own = frame[(frame["metric"] == "attention_distance_relative") & frame["value"].notna()]
    for tokens in LENGTHS[:-1]:
        # The first row sees one key, and is at no distance from it.
        wanted = sum(place > 0 for place in places(tokens, SAMPLE))
        assert set(own[own["n_tokens"] == tokens]["tokens_used"]) == {wanted}


def test_bins_of_positions_count_their_own_rows() -> None:
    frame = measured("llama")
    own = frame[(frame["metric"] == "attention_entropy_by_position") & frame["value"].notna()]
    found = own[(own["layer"] == 1) & (own["n_tokens"] == 37)].set_index("index")["tokens_used"]
    assert found.to_dict() == {1: 3, 4: 12, 16: 22}


def test_a_value_of_a_task_has_the_tokens_of_all_its_prompts() -> None:
    frame = measured("llama")
    own = frame[frame["prompt_id"].isna() & frame["value"].notna()]
    found = own.groupby("metric")["tokens_used"].agg(set).to_dict()
    assert found["cosine_across"] == {sum(LENGTHS)}
    assert found["cosine_across_rest"] == {sum(LENGTHS) - len(LENGTHS)}


def test_all_tokens_stand_where_no_sample_does() -> None:
    some, exact = measured("llama"), measured("llama", None)
    short = some["n_tokens"] <= SAMPLE
    assert short.any()
    sampled = some["metric"].isin([name for name in ALL if METRICS.load(name).spec.sampled])
    assert exact[~sampled].equals(some[~sampled])
    assert exact[short].equals(some[short])
    lens = exact[(exact["metric"] == "lens_kl") & exact["value"].notna()]
    assert (lens["tokens_used"] == lens["n_tokens"]).all()


def test_a_run_keeps_them_for_prompts_sequences_and_generated_tokens(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    request = RunRequest(
        models=(f"tiny={tiny_folder}",),
        out=tmp_path / "run",
        suite=suite_file,
        metrics=("kurtosis_tokens", "surprisal", "duplicate_token_score"),
        settings=Settings(sample_tokens=4, generate=Generation(tokens=2)),
        selfcheck=False,
    )
    frame = run(request).measurements(steps=True)
    frame = frame[frame["value"].notna()]
    steps = frame[frame["step"].notna()]
    assert len(steps)
    assert (steps["tokens_used"] == 1).all()
    found = frame[frame["step"].isna()].groupby("metric")
    sampled = found.get_group("kurtosis_tokens")
    assert (sampled["tokens_used"] == np.minimum(sampled["n_tokens"], 4)).all()
    assert sampled["n_tokens"].max() > 4
    whole = found.get_group("surprisal")
    assert (whole["tokens_used"] == whole["n_tokens"] - 1).all()
    # Of each of 8 sequences the second half, of 31 tokens where the model reads 64.
    assert set(found.get_group("duplicate_token_score")["tokens_used"]) == {8 * 31}
