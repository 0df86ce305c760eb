"""When a generated text ends, and which models generate none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import VOCABULARY
from generated import folder_of, small_request, suite_of, texts_of
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from cortexscope.engine import Generation, Settings, run
from cortexscope.engine._request import Silent
from cortexscope.errors import ModelError, UsageError
from cortexscope.models import load_model

STEPS = 3
LENGTHS = (7, 12, 3, 10)
DRAWN = Generation(tokens=STEPS, sample=True, seed=1)


class Notes(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "falcon_h1", "t5"])
def test_a_text_ends_where_the_model_ends_it(family: str, tmp_path: Path) -> None:
    folder = folder_of(family, tmp_path / family)
    suite_of(folder, lengths=(10, 10, 10))
    whole = Settings(generate=DRAWN, keep_states=False)
    free = run(small_request(folder, tmp_path / "free", DRAWN, settings=whole))
    texts = texts_of(free)
    end = texts["p-1"]["token_ids"][1]
    config = folder / "generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "eos_token_id": [end]}))
    finished = run(small_request(folder, tmp_path / "run", DRAWN, settings=whole))
    frames = [found.measurements(steps=True) for found in (free, finished)]
    before, after = (f[f["metric"] == "residual_norm"].set_index("prompt_id") for f in frames)
    for name, row in texts_of(finished).items():
        tokens = texts[name]["token_ids"]
        ends = end in tokens
        kept = tokens[: tokens.index(end) + 1] if ends else tokens
        assert row["token_ids"] == kept
        assert row["finish"] == ("end" if ends else "length")
        read = len(kept) - ends
        got = after.loc[name]
        assert sorted(set(got["step"].dropna())) == list(range(1, read + 1))
        wanted = before.loc[name]
        wanted = wanted[wanted["step"].isna() | (wanted["step"] <= read)]
        np.testing.assert_allclose(
            got["value"].to_numpy(dtype=float), wanted["value"].to_numpy(dtype=float), rtol=1e-4
        )
    assert {row["finish"] for row in texts_of(finished).values()} == {"end", "length"}


@pytest.mark.parametrize("family", ["bloom", "mistral", "bamba", "rwkv", "m2m_100"])
def test_surprisal_is_that_of_one_pass_over_the_whole_text(family: str, tmp_path: Path) -> None:
    folder = folder_of(family, tmp_path / family)
    suite_of(folder, lengths=(12, 10, 10))
    finished = run(small_request(folder, tmp_path / "run", DRAWN, metrics=("surprisal",)))
    model = load_model(str(folder))
    texts = finished.prompts().set_index("prompt_id")["text"]
    steps = finished.measurements(steps=True)
    for name, row in texts_of(finished).items():
        given = {"input_ids": torch.tensor([model.tokenizer(texts[name])["input_ids"]])}
        start = given["input_ids"][0].tolist()
        key = "input_ids"
        if model.info.stack_kind == "encoder-decoder":
            start, key = [model.module.config.decoder_start_token_id], "decoder_input_ids"
        given[key] = torch.tensor([[*start, *row["token_ids"]]])
        with torch.no_grad():
            log = model.module(**given).logits[0].double().log_softmax(-1)
        places = range(len(start) - 1, len(start) - 1 + STEPS)
        wanted = [
            -float(log[place, token]) for place, token in zip(places, row["token_ids"], strict=True)
        ]
        got = steps[(steps["prompt_id"] == name) & steps["step"].notna()].sort_values("step")
        np.testing.assert_allclose(got["value"].to_numpy(dtype=float), wanted, rtol=1e-4)


def test_a_text_ends_where_the_context_is_full(tmp_path: Path) -> None:
    small = folder_of("gpt2", tmp_path / "gpt2", max_position_embeddings=12)
    suite_of(small, lengths=LENGTHS)
    notes = Notes()
    finished = run(small_request(small, tmp_path / "run", Generation(tokens=STEPS)), notes)
    rows = [row for _, row in sorted(texts_of(finished).items())]
    assert [len(row["token_ids"]) for row in rows] == [3, 0, 3, 2]
    assert [row["finish"] for row in rows] == ["length", "context", "length", "context"]
    assert any("2 of 4 texts end early" in text for text in notes.texts)


def test_an_encoder_does_not_generate_and_the_manifest_says_why(
    tmp_path: Path,
) -> None:
    folder = folder_of("llama", tmp_path / "llama")
    suite_of(folder)
    encoder = folder_of("bert", tmp_path / "bert")
    generation = Generation(tokens=2)
    alone = small_request(folder, tmp_path / "alone", generation, models=(f"both={encoder}",))
    with pytest.raises(UsageError, match="2 tokens were to be generated, and both cannot"):
        run(alone)
    assert not alone.out.exists()
    notes = Notes()
    both = (f"both={encoder}", f"tiny={folder}")
    finished = run(small_request(folder, tmp_path / "run", generation, models=both), notes)
    assert set(finished.generations()["model"]) == {"tiny"}
    reason = finished.manifest.ungenerated["both"]
    assert reason.startswith("its tokens also see what comes after them")
    assert f"both: generates nothing: {reason}" in notes.texts
    steps = finished.measurements(models=["both"], steps=True)["step"]
    assert steps.isna().all()


def test_a_model_without_memory_of_its_tokens_does_not_generate(tmp_path: Path) -> None:
    forgetful = folder_of("gpt2", tmp_path / "gpt")
    config = OpenAIGPTConfig(
        vocab_size=VOCABULARY, n_positions=32, n_embd=16, n_layer=2, n_head=2, pad_token_id=0
    )
    OpenAIGPTLMHeadModel(config).save_pretrained(forgetful)
    suite_of(forgetful)
    finished = run(small_request(forgetful, tmp_path / "run", Generation(tokens=2)))
    assert "cannot remember what it has read" in finished.manifest.ungenerated["tiny"]


def test_a_model_that_keeps_states_inside_does_not_generate(tmp_path: Path) -> None:
    inside = folder_of("recurrent_gemma", tmp_path / "inside")
    suite_of(inside)
    finished = run(small_request(inside, tmp_path / "run", Generation(tokens=2)))
    assert "inside of itself" in finished.manifest.ungenerated["tiny"]
    assert finished.measurements(steps=True)["step"].isna().all()


def test_a_head_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("llama", tmp_path / "llama")
    suite_of(folder)
    from cortexscope.taps._readout import Readout, ReadoutError

    def unread(self: Any, states: Any) -> None:
        raise ReadoutError("its head is odd")

    monkeypatch.setattr(Readout, "inputs", unread)
    request = small_request(
        folder, tmp_path / "run", Generation(tokens=2), metrics=("residual_norm",)
    )
    with pytest.raises(ModelError, match="tiny cannot generate: its head is odd; leave --generate"):
        run(request)
    assert not request.out.exists()
