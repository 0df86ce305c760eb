"""What is measured of generated tokens equals what one pass over the same tokens gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from generated import KEYS, LENGTHS, folder_of, forced_row, forced_values, suite_of, texts_of

from cortexscope.engine import Generation, RunRequest, Settings, run
from cortexscope.measure import attach
from cortexscope.metrics import metric_names
from cortexscope.models import LoadOptions, load_model
from cortexscope.tasks import load_suite

STEPS = 2
FAMILIES = ("llama", "gpt2", "gemma3_text", "mixtral", "falcon_h1", "t5")
ALL = tuple(metric_names(("all",)))
FEW = ("attention_entropy", "attention_sink_mass", "residual_norm", "surprisal", "expert_load")


def settings_of(**changes: object) -> Settings:
    given = {"sample_tokens": None, "keep_states": False, "generate": Generation(tokens=STEPS)}
    return Settings(**{**given, **changes})  # type: ignore[arg-type]


def request_of(folder: Path, out: Path, metrics: tuple[str, ...], **changes: object) -> RunRequest:
    return RunRequest(
        models=(f"tiny={folder}",),
        suite=suite_of(folder),
        metrics=metrics,
        out=out,
        settings=settings_of(**changes),
        selfcheck=False,
    )


class Generated:
    """A run of a family that generated, with all metrics, and its model."""

    def __init__(self, family: str, path: Path) -> None:
        self.folder = folder_of(family, path / family)
        # Its experts are multiplied by a kernel that has no float64.
        self.dtype = "float32" if family == "mixtral" else "float64"
        self.within = (1e-7, 1e-10)
        if family == "mixtral":
            self.within = (1e-3, 1e-4)
        elif family == "falcon_h1":
            # Its scan computes in float32.
            self.within = (1e-5, 1e-6)
        self.run = run(
            request_of(self.folder, path / "run", ALL, loading=LoadOptions(dtype=self.dtype))
        )
        self.model = load_model(str(self.folder), LoadOptions(dtype=self.dtype))
        self.pair = self.model.info.stack_kind == "encoder-decoder"
        frame = self.run.measurements(steps=True)
        self.steps = frame[frame["step"].notna()]
        self.texts = texts_of(self.run)

    def assert_close(self, got: Any, wanted: Any) -> None:
        relative, absolute = self.within
        np.testing.assert_allclose(
            np.asarray(got), np.asarray(wanted), rtol=relative, atol=absolute
        )

    def inputs(self, prompt: str, step: int) -> dict[str, torch.Tensor]:
        """Return what the model is given to read a prompt and so many generated tokens."""
        text = self.run.prompts().set_index("prompt_id").loc[prompt, "text"]
        ids: list[int] = self.model.tokenizer(text)["input_ids"]
        added = self.texts[prompt]["token_ids"][:step]
        if self.pair:
            start = self.model.module.config.decoder_start_token_id
            return {
                "input_ids": torch.tensor([ids]),
                "decoder_input_ids": torch.tensor([[start, *added]]),
            }
        return {"input_ids": torch.tensor([[*ids, *added]])}


@pytest.fixture(scope="module", params=FAMILIES)
def generated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generated:
    return Generated(request.param, tmp_path_factory.mktemp("generated"))


def test_greedy_tokens_are_those_of_transformers(generated: Generated) -> None:
    module = generated.model.module
    for prompt, row in generated.texts.items():
        given = generated.inputs(prompt, 0)["input_ids"]
        whole = module.generate(
            given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=STEPS,
            do_sample=False,
        )[0]
        added = whole[1:] if generated.pair else whole[given.shape[1] :]
        assert row["token_ids"] == added.tolist()
        assert row["text"] == generated.model.tokenizer.decode(added, skip_special_tokens=True)


def test_every_value_of_a_step_is_that_of_the_last_token_of_one_pass(generated: Generated) -> None:
    for step in (1, STEPS):
        rows = generated.steps.query("prompt_id == 'p-1' and step == @step")
        got = forced_values(rows)
        wanted = forced_row(generated.model, list(ALL), **generated.inputs("p-1", step))
        mixed = wanted.index.get_level_values("metric").str.startswith("mixer")
        assert bool(mixed.any()) == (generated.folder.name == "falcon_h1")
        assert len(got) > 300
        assert got.index.equals(wanted.index), got.index.symmetric_difference(wanted.index)
        generated.assert_close(got, wanted)


def test_prompts_are_measured_as_without_generation(generated: Generated, tmp_path: Path) -> None:
    changes = {"loading": LoadOptions(dtype=generated.dtype), "generate": None}
    plain = run(request_of(generated.folder, tmp_path / "plain", FEW, **changes))
    got, wanted = (
        run.measurements(metrics=FEW).set_index(["prompt_id", *KEYS]).sort_index()["value"]
        for run in (generated.run, plain)
    )
    assert got.index.equals(wanted.index)
    assert got.isna().equals(wanted.isna())
    if generated.folder.name == "falcon_h1":
        # Prompts of other lengths go in other batches.
        generated.assert_close(got.dropna(), wanted.dropna())
    else:
        pd.testing.assert_series_equal(got, wanted, check_exact=True)


def test_prompts_of_different_lengths_generate_as_each_alone(
    generated: Generated, tmp_path: Path
) -> None:
    assert generated.run.manifest.shards["tiny"] == 1
    changes = {"loading": LoadOptions(dtype=generated.dtype), "batch_tokens": 1}
    alone = run(request_of(generated.folder, tmp_path / "alone", FEW, **changes))
    texts = texts_of(alone)
    for prompt, row in generated.texts.items():
        assert row["token_ids"] == texts[prompt]["token_ids"]
        for column in ("surprisal", "entropy"):
            generated.assert_close(row[column], texts[prompt][column])
    frame = alone.measurements(steps=True)
    other = frame[frame["step"].notna()]
    order = ["prompt_id", "step", *KEYS]
    few = generated.steps[generated.steps["metric"].isin(FEW)]
    got, wanted = (steps.set_index(order).sort_index() for steps in (few, other))
    assert got.index.equals(wanted.index)
    assert got["reason"].equals(wanted["reason"])
    assert got["n_tokens"].equals(wanted["n_tokens"])
    generated.assert_close(got["value"].dropna(), wanted["value"].dropna())


def test_what_no_single_token_has_is_one_row_a_prompt_with_its_reason(generated: Generated) -> None:
    steps = generated.steps
    assert (steps["value"].isna() == steps["reason"].notna()).all()
    values = steps.groupby(["metric", "stack"])["value"].count()
    for metric, stack in values.index[values == 0]:
        rows = steps[(steps["metric"] == metric) & (steps["stack"] == stack)]
        assert rows["prompt_id"].tolist() == ["p-0", "p-1"]
        assert rows["step"].eq(1).all()
        assert rows["layer"].isna().all()
    reasons = steps.drop_duplicates("metric").set_index("metric")["reason"]
    assert reasons["cka"] == "it is of all prompts of a task together, and of no single token"
    assert reasons["induction_score"].startswith("it is measured on sequences that are made")
    assert set(steps["metric"]) == set(ALL)


MEANS = {
    "attention_entropy": 0,
    "attention_first_token_mass": 1,
    "attention_previous_token": 1,
    "residual_norm": 0,
    "residual_norm_rest": 1,
    "block_influence": 0,
    "neuron_hoyer": 0,
    "lens_entropy": 0,
    "surprisal": 1,
    "token_entropy": 0,
}
"""Means over the tokens of a prompt but so many of its first."""


def test_values_of_steps_are_what_each_token_adds_to_a_sum(tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "llama")
    finished = run(
        request_of(folder, tmp_path / "run", tuple(MEANS), loading=LoadOptions(dtype="float64"))
    )
    frame = finished.measurements(steps=True)
    added = texts_of(finished)["p-1"]["token_ids"]
    model = load_model(str(folder), LoadOptions(dtype="float64"))
    (prompt,) = (p for p in load_suite(suite_of(tmp_path)).prompts if p.id == "p-1")
    ids = list(model.tokenizer(prompt.text)["input_ids"])
    sums = []
    with attach(model, metrics=list(MEANS), sample_tokens=None) as probe, torch.no_grad():
        for step in range(STEPS + 1):
            model.module(torch.tensor([[*ids, *added[:step]]]))
    for step, (_, rows) in enumerate(probe.frame().groupby("prompt_id")):
        counts = rows["metric"].map(MEANS).rsub(LENGTHS[1] + step)
        assert rows["n_tokens"].eq(LENGTHS[1] + step).all()
        sums.append(forced_values(rows.assign(value=rows["value"] * counts)))
    for step in range(1, STEPS + 1):
        rows = frame.query("prompt_id == 'p-1' and step == @step")
        assert rows["n_tokens"].eq(LENGTHS[1] + step).all()
        wanted = sums[step] - sums[step - 1]
        np.testing.assert_allclose(forced_values(rows), wanted, rtol=1e-8, atol=1e-10)
