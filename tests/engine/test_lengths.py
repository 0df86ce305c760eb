"""Models that read a whole pass by its longest text: each prompt has the values it has alone."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from batches import Batch, padded, prompts
from families import FAMILIES, VOCABULARY, tiny_model
from generated import forced_row, forced_values, suite_of, texts_of, written
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from cortexscope.engine import Generation, RunRequest, Settings, run
from cortexscope.errors import ModelError
from cortexscope.measure import attach
from cortexscope.models import LengthRule, LoadOptions, Model, Switches, find_switches, load_model
from cortexscope.records import Finding
from cortexscope.selfchecks import selfcheck
from cortexscope.store import Run

BORDER = 20
LENGTHS = (17, 19, 20, 21, 24)
METRICS = ("attention_entropy", "attention_distance", "residual_norm", "surprisal")
NTK = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def long(features: int, **more: Any) -> dict[str, Any]:
    """Return LongRoPE whose two sets of factors give quite other angles."""
    return {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * features,
        "long_factor": [3.0 + number for number in range(features)],
        "factor": 4.0,
        "original_max_position_embeddings": BORDER,
        **more,
    }


class Case(NamedTuple):
    """A family that is made to read long texts otherwise."""

    family: str
    settings: dict[str, Any]
    rule: LengthRule = LengthRule((BORDER,))


GRADED = LengthRule((BORDER,), BORDER)
CASES = {
    "phi3": Case("phi3", {"rope_parameters": long(6), "original_max_position_embeddings": BORDER}),
    "llama": Case("llama", {"rope_parameters": long(6)}),
    "phimoe": Case("phimoe", {"rope_parameters": long(6, short_mscale=1.1, long_mscale=1.4)}),
    "gemma3": Case(
        "gemma3_text",
        {
            "rope_parameters": {
                "full_attention": long(8),
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            }
        },
    ),
    "ntk": Case(
        "stablelm", {"rope_parameters": dict(NTK), "max_position_embeddings": BORDER}, GRADED
    ),
    "falcon": Case(
        "falcon", {"rope_parameters": dict(NTK), "max_position_embeddings": BORDER}, GRADED
    ),
}


def model_of(case: Case) -> PreTrainedModel:
    if case.family in FAMILIES:
        return tiny_model(case.family, **case.settings)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        case.family,
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=96,
        max_position_embeddings=256,
        num_local_experts=4,
        **case.settings,
    )
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(10)
    return model


class Told(NamedTuple):
    """A run of one such model, and the model."""

    run: Run
    model: Model
    texts: dict[str, dict[str, Any]]

    def fresh(self) -> Model:
        """Return the model without a trace of what it has read."""
        return dataclasses.replace(self.model, module=copy.deepcopy(self.model.module))

    def ids(self, prompt: str) -> list[int]:
        text = self.run.prompts().set_index("prompt_id").loc[prompt, "text"]
        found: list[int] = self.model.tokenizer(text)["input_ids"]
        return found

    def assert_close(self, got: Any, wanted: Any) -> None:
        within = (1e-3, 1e-4) if self.model.info.dtype == "float32" else (1e-7, 1e-10)
        np.testing.assert_allclose(got, wanted, rtol=within[0], atol=within[1])


@pytest.fixture(scope="module", params=CASES)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    case = CASES[request.param]
    path = tmp_path_factory.mktemp("lengths")
    folder = written(model_of(case), path / "model")
    # Its experts are multiplied by a kernel that has no float64.
    dtype = "float32" if case.family == "phimoe" else "float64"
    finished = run(
        RunRequest(
            models=(f"tiny={folder}",),
            suite=suite_of(folder, lengths=LENGTHS),
            metrics=METRICS,
            out=path / "run",
            settings=Settings(
                loading=LoadOptions(dtype=dtype),
                sample_tokens=None,
                keep_states=False,
                generate=Generation(tokens=3),
            ),
        )
    )
    return Told(finished, load_model(str(folder), LoadOptions(dtype=dtype)), texts_of(finished))


@pytest.mark.parametrize("name", CASES)
def test_the_border_is_found_in_what_reads_positions(name: str) -> None:
    case = CASES[name]
    model = model_of(case)
    assert find_switches(model).rule == case.rule
    with torch.device("meta"):
        outline = type(model)(model.config)
    assert find_switches(outline).rule == case.rule


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "llama4_text", "xglm", "bert", "t5"])
def test_other_models_read_all_lengths_alike(family: str) -> None:
    assert find_switches(tiny_model(family)) == ((), LengthRule())


@pytest.mark.slow
def test_every_prompt_has_the_values_it_has_alone(told: Told) -> None:
    frame = told.run.measurements()
    for number, length in enumerate(LENGTHS):
        model = told.fresh()
        ids = torch.tensor([told.ids(f"p-{number}")])
        assert ids.shape[1] == length
        with attach(model, metrics=METRICS, sample_tokens=None) as probe, torch.no_grad():
            model.module(ids)
        got, wanted = (
            forced_values(rows)
            for rows in (frame[frame["prompt_id"] == f"p-{number}"], probe.frame())
        )
        assert got.index.equals(wanted.index)
        told.assert_close(got, wanted)


@pytest.mark.slow
def test_every_generated_token_is_the_last_one_of_one_pass_over_the_text(told: Told) -> None:
    frame = told.run.measurements(steps=True)
    for prompt, row in told.texts.items():
        text = told.ids(prompt)
        for step, token in enumerate(row["token_ids"], start=1):
            with torch.no_grad():
                logits = told.fresh().module(torch.tensor([text])).logits[0, -1]
            assert int(logits.argmax()) == token
            surprisal = -float(logits.log_softmax(-1)[token])
            told.assert_close(row["surprisal"][step - 1], surprisal)
            text = [*text, token]
            rows = frame[(frame["prompt_id"] == prompt) & (frame["step"] == step)]
            if rows.empty:
                # With the token that ends a text nothing is read.
                assert step == len(row["token_ids"])
                assert row["finish"] == "end"
                continue
            got = forced_values(rows)
            told.assert_close(got.loc["surprisal"], surprisal)
            wanted = forced_row(told.fresh(), list(METRICS[:-1]), input_ids=torch.tensor([text]))
            told.assert_close(got.loc[wanted.index], wanted)
            assert len(got) == len(wanted) + 1
            assert rows["n_tokens"].eq(len(text)).all()


def texts(*lengths: int) -> Batch:
    return padded(prompts(list(lengths)))


def warnings_of(case: str, *passes: Batch) -> list[str]:
    model = model_of(CASES[case])
    with (
        warnings.catch_warnings(record=True) as caught,
        attach(model, metrics=["residual_norm"]),
        torch.no_grad(),
    ):
        warnings.simplefilter("always")
        for inputs in passes:
            model(**inputs)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("case", ["phi3", "llama", "gemma3"])
def test_attach_warns_of_a_batch_that_crosses_the_border(case: str) -> None:
    assert warnings_of(case, texts(21, 26), texts(5, 20), texts(30)) == []
    (said,) = warnings_of(case, texts(20, 21), texts(5, 24))
    assert said.startswith("1 of 2 texts of a pass are read otherwise than alone")
    assert "as for 21 tokens (borders: 20)" in said
    # Padding alone takes short texts over the border.
    (said,) = warnings_of(case, {k: F.pad(v, (0, 9)) for k, v in texts(15, 15).items()})
    assert said.startswith("2 of 2 texts")


def test_attach_warns_of_each_length_and_each_memory_of_dynamic_ntk() -> None:
    assert warnings_of("ntk", texts(12, 20), texts(22, 22), texts(25)) == []
    (said,) = warnings_of("ntk", texts(22, 25))
    assert said.startswith("1 of 2 texts")
    (said,) = warnings_of("ntk", texts(30), texts(24))
    assert "still reads positions by a longer text of an earlier pass" in said


def test_attach_warns_of_a_cache_from_below_the_border() -> None:
    model = model_of(CASES["llama"])
    with attach(model, metrics=["residual_norm"]), pytest.warns(UserWarning, match="its cache"):
        model.generate(**texts(18), max_new_tokens=5, min_new_tokens=5, do_sample=False)
    with attach(model, metrics=["residual_norm"]):
        model.generate(**texts(12), max_new_tokens=5, do_sample=False)
        model.generate(**texts(22), max_new_tokens=5, do_sample=False)
    # Its own code drops the cache there.
    other = model_of(CASES["phi3"])
    with attach(other, metrics=["residual_norm"]):
        other.generate(**texts(18), max_new_tokens=5, min_new_tokens=5, do_sample=False)


def test_a_warned_model_computes_what_it_computed_without() -> None:
    for case in ("llama", "ntk"):
        plain, watched = (model_of(CASES[case]) for _ in range(2))
        with torch.no_grad():
            wanted = [plain(**one).logits for one in (texts(20, 26), texts(24))]
            with warnings.catch_warnings(), attach(watched, metrics=["residual_norm"]):
                warnings.simplefilter("ignore")
                got = [watched(**one).logits for one in (texts(20, 26), texts(24))]
        assert all(torch.equal(one, other) for one, other in zip(got, wanted, strict=True))
        assert not any(part._forward_hooks for part in watched.modules())


def checks_of(model: PreTrainedModel, **options: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in selfcheck(model, **options)}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["phi3", "phimoe", "ntk"])
def test_selfcheck_reads_no_text_beside_one_from_over_the_border(case: str) -> None:
    model = model_of(CASES[case])
    model(**texts(60))
    rotary = next(
        part
        for part in model.modules()
        if hasattr(part, "inv_freq") or hasattr(part, "full_attention_inv_freq")
    )
    before = copy.deepcopy((dict(rotary._buffers), getattr(rotary, "max_seq_len_cached", None)))
    found = checks_of(model, prompts=prompts([7, 20, 24, 24]))
    assert [name for name, finding in found.items() if finding.passed is False] == []
    assert found["longer beside"].passed
    assert "more than 20 tokens are read otherwise" in found["longer beside"].sentence
    # The model remembers of its own passes what it did.
    after = (dict(rotary._buffers), getattr(rotary, "max_seq_len_cached", None))
    assert str(after) == str(before)


@pytest.mark.slow
def test_a_border_that_is_not_known_is_found_by_the_quick_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = written(
        tiny_model("llama", rope_parameters={**long(6), "original_max_position_embeddings": 40}),
        tmp_path / "model",
    )
    blind = Switches((), LengthRule())
    for place in ("selfchecks._subject", "engine.passes._reader", "models._loading"):
        monkeypatch.setattr(f"cortexscope.{place}.find_switches", lambda module: blind)
    request = RunRequest(
        models=(f"tiny={folder}",), suite=suite_of(folder, lengths=(7,)), out=tmp_path / "run"
    )
    with pytest.raises(
        ModelError, match=r"'longer beside'.*reads a text otherwise beside a longer"
    ):
        run(request)


def test_the_border_is_found_in_a_part_that_is_told_a_number_of_positions() -> None:
    class Older(nn.Module):
        """Keeps its angles for the longest text so far, as some models' own code does."""

        def __init__(self) -> None:
            super().__init__()
            self.seen = 8
            self.make(8)

        def make(self, length: int) -> None:
            factor = 3.0 if length > 24 else 1.0
            self.angles = torch.arange(length)[:, None] / (factor * torch.arange(1, 5))

        def forward(self, x: torch.Tensor, seq_len: int) -> tuple[torch.Tensor, torch.Tensor]:
            if seq_len > self.seen:
                self.seen = seq_len
                self.make(seq_len)
            return self.angles[:seq_len].cos(), self.angles[:seq_len].sin()

    part = Older()
    switches = find_switches(nn.ModuleList([nn.Linear(2, 2), part]))
    assert switches.rule == LengthRule((24,))
    part(torch.zeros(1), 30)
    switches.reset()
    assert part.seen == 8
    assert torch.equal(part(torch.zeros(1), 12)[0], Older()(torch.zeros(1), 12)[0])


def test_a_border_is_found_in_a_part_that_fails_far_beyond_it() -> None:
    class Table(nn.Module):
        """Has no more than 64 positions, and reads them otherwise from the 17th on."""

        def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
            last = int(position_ids.max()) + 1
            if last > 64:
                raise IndexError(last)
            return position_ids[..., None] * (1.0 if last <= 16 else 2.0)

    switches = find_switches(nn.ModuleList([nn.Linear(2, 2), Table()]))
    assert switches.rule == LengthRule(borders=(16,))
