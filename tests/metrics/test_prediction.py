"""Predictions agree with numpy on whole logits; what cannot be predicted says why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from batches import inputs_for, padded, prompts
from families import FAMILIES, tiny_model
from heads import log_softmax, predicted
from masked import masked_model
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Outcome, Values

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.errors import UsageError
from cortexscope.measure import attach
from cortexscope.models import load_model
from cortexscope.taps import _readout, _unembedding

METRICS = ("surprisal", "token_entropy", "top_probability", "top_margin")
ONE = "it has one token, and none is predicted"
NO_HEAD = "the model has no language-model head"
BOTH_WAYS = (
    "its tokens also see what comes after them, so that the next one is not predicted; "
    "pseudo_log_likelihood measures such a model"
)


def reference(case: Case) -> Values:
    if case.family.kind == "encoder":
        return {(name, "encoder", None, None, None): NO_HEAD for name in METRICS}
    stack, ids, logits = predicted(case)
    logs = log_softmax(logits)
    # All tokens, also where other metrics look at a sample.
    surprisals = [-logs[place, following] for place, following in enumerate(ids[1:])]
    shares = np.sort(np.exp(logs), axis=-1)
    values: dict[str, Outcome] = {
        "surprisal": float(np.mean(surprisals)) if surprisals else ONE,
        "token_entropy": float(-(np.exp(logs) * logs).sum(-1).mean()),
        "top_probability": float(shares[:, -1].mean()),
        "top_margin": float((shares[:, -1] - shares[:, -2]).mean()),
    }
    return {(name, stack, None, None, None): value for name, value in values.items()}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", [*PANEL, "gemma2", "cohere2", "granite"])
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.parametrize("family", ["llama", "gemma2", "t5"])
def test_small_pieces_of_the_vocabulary_give_the_same(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_unembedding, "_ENTRIES", 400)
    monkeypatch.setattr(_readout, "_ROWS", 7)
    assert agree(family, "right", METRICS, reference) > 0


def test_scores_far_apart_and_far_from_zero_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unembedding, "_ENTRIES", 400)
    model = tiny_model("llama")
    with torch.no_grad():
        # Certain of token 7 at every token, with logits about 200.
        model.model.norm.weight.zero_()
    model.lm_head = torch.nn.Linear(48, 211)
    with torch.no_grad():
        model.lm_head.bias.copy_(torch.linspace(-200, 200, 211))
        model.lm_head.bias[7] = 300.0
    inputs = padded([[5, 7, 7, 9]])
    with attach(model, metrics=METRICS) as probe, torch.no_grad():
        model(**inputs)
    found = probe.frame().set_index("metric")["value"]
    assert found["top_probability"] == 1
    assert found["top_margin"] == 1
    assert found["token_entropy"] == pytest.approx(0, abs=1e-6)
    # Token 9 has logit -200 + 9 * 400 / 210.
    assert found["surprisal"] == pytest.approx((500 - 9 * 400 / 210) / 3, rel=1e-5)


def test_tokens_that_are_all_alike_have_no_margin() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.lm_head.weight.zero_()
        with attach(model, metrics=METRICS) as probe:
            model(**padded(prompts([9, 4])))
    found = probe.frame().groupby("metric")["value"].agg(list)
    assert found["surprisal"] == pytest.approx([math.log(211)] * 2)
    assert found["token_entropy"] == pytest.approx([math.log(211)] * 2)
    assert found["top_probability"] == pytest.approx([1 / 211] * 2)
    assert found["top_margin"] == [0, 0]


@pytest.mark.weights
def test_they_equal_the_plain_computation_on_the_demo_models() -> None:
    words = "The cat sat on the mat because it was warm there and nobody minded it at all. " * 6
    for name in ("demo-decoder", "demo-encoder"):
        model = load_model(name)
        ids = [model.tokenizer(words)["input_ids"][:n] for n in (1, 2, 24, 47, 90)]
        texts = [model.tokenizer.decode(row, skip_special_tokens=True) for row in ids]
        assert agree_on(model, texts, METRICS, reference, sample=32) > 0


def test_bfloat16_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    inputs = inputs_for(FAMILIES["llama"], [40, 9, 2])
    frames = []
    for dtype in (torch.float32, torch.bfloat16):
        model = model.to(dtype)
        with attach(model, metrics=METRICS) as probe, torch.no_grad():
            model(**inputs)
        frames.append(probe.frame().set_index(["prompt_id", "metric"])["value"])
    # Weights of 8 bits move logits of about 4 by up to 0.05.
    np.testing.assert_allclose(frames[1], frames[0], rtol=0.1, atol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "t5", "bart", "bert", "mamba"])
def test_outputs_are_bit_identical(family: str, dtype: torch.dtype) -> None:
    model = masked_model(family) if family == "bert" else tiny_model(family)
    model = model.to(dtype)
    inputs = inputs_for(FAMILIES[family], [40, 9, 1])
    metrics = (*METRICS, "lens_kl", "decision_depth")
    with torch.no_grad():
        untouched = model(**inputs).logits
        with attach(model, metrics=metrics) as probe:
            watched = model(**inputs).logits
    assert torch.equal(untouched, watched)
    assert len(probe.frame()) > 0


def test_a_pass_below_the_head_is_measured_alike() -> None:
    model = tiny_model("llama")
    inputs = inputs_for(FAMILIES["llama"], [40, 9])
    frames = []
    for called in (model, model.model):
        with attach(model, metrics=METRICS) as probe, torch.no_grad():
            called(**inputs)
        frames.append(probe.frame())
    assert frames[0].equals(frames[1])


def test_embeddings_without_ids_have_no_next_token() -> None:
    model = tiny_model("llama")
    states = model.get_input_embeddings()(torch.tensor([[5, 6, 7]]))
    with attach(model, metrics=METRICS) as probe, torch.no_grad():
        model(inputs_embeds=states)
    found = probe.frame().set_index("metric")
    assert found.loc["surprisal", "reason"] == "the model was given embeddings and no token ids"
    assert found["value"].notna().sum() == 3


def test_a_masked_model_has_no_surprisal() -> None:
    model = masked_model("bert")
    with attach(model, metrics=[*METRICS, "bits_per_byte"]) as probe, torch.no_grad():
        model(**padded(prompts([9])))
    assert set(probe.frame()["reason"]) == {BOTH_WAYS}


def test_attach_does_not_know_bytes() -> None:
    model = tiny_model("llama")
    with attach(model, metrics=["bits_per_byte"]) as probe, torch.no_grad():
        model(**padded(prompts([9])))
    (reason,) = probe.frame()["reason"]
    assert reason == "only tokens were given, and the text that they stand for is not known"


def test_attach_takes_no_passes_of_its_own() -> None:
    with pytest.raises(UsageError, match="pseudo_log_likelihood is measured on inputs that are"):
        attach(masked_model("bert"), metrics=["pseudo_log_likelihood"])


def of_run(folder: Path, suite: Path, out: Path, *metrics: str, **settings: Any) -> Any:
    request = RunRequest(
        models=(f"tiny={folder}",),
        out=out,
        suite=suite,
        metrics=metrics,
        settings=Settings(**settings),
        selfcheck=False,
    )
    return run(request).measurements().set_index(["metric", "prompt_id"])


@pytest.mark.slow
def test_bits_per_byte_counts_the_bytes_after_the_first_token(
    tiny_folder: Path, tmp_path: Path
) -> None:
    suite = tmp_path / "bytes.csv"
    texts = {"plain": "one two three four", "unknown": "élan one two", "short": "one"}
    rows = [f"t,{name},{text}" for name, text in texts.items()]
    suite.write_text("\n".join(["task,id,text", *rows]) + "\n", encoding="utf-8")
    found = of_run(tiny_folder, suite, tmp_path / "run", "bits_per_byte", "surprisal")
    for name, tokens, size in (("plain", 4, len(" two three four")), ("unknown", 3, 8)):
        nats = found.loc[("surprisal", name), "value"] * (tokens - 1)
        bits = found.loc[("bits_per_byte", name), "value"]
        assert bits == pytest.approx(nats / math.log(2) / size, rel=1e-12)
    assert found.loc[("bits_per_byte", "short"), "reason"] == ONE


@pytest.mark.slow
def test_no_sample_stands_for_the_tokens_of_a_text(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    names = ("bits_per_byte", *METRICS)
    some = of_run(tiny_folder, suite_file, tmp_path / "some", *names, sample_tokens=3)
    exact = of_run(tiny_folder, suite_file, tmp_path / "exact", *names, sample_tokens=None)
    assert some["value"].notna().sum() > len(names)
    assert some.equals(exact)


@pytest.mark.weights
def test_a_long_text_has_the_bits_that_the_model_s_own_logits_give(tmp_path: Path) -> None:
    text = "The cat sat on the mat because it was warm there and nobody minded it at all. " * 6
    suite = tmp_path / "long.csv"
    suite.write_text(f"task,id,text\nt,long,{text.strip()}\n", encoding="utf-8")
    model = load_model("demo-decoder")
    read = model.tokenizer(text.strip(), return_offsets_mapping=True)
    ids = torch.tensor(read["input_ids"])
    with torch.no_grad():
        logits = model.module(ids[None]).logits[0].double()
    nats = -logits[:-1].log_softmax(-1).gather(1, ids[1:, None]).sum()
    size = len(text.strip()[read["offset_mapping"][0][1] :].encode())
    request = RunRequest(
        ("demo-decoder",), tmp_path / "run", suite=suite, metrics=("bits_per_byte",)
    )
    (found,) = run(request).measurements()["value"]
    assert len(ids) > 100
    assert found == pytest.approx(float(nats) / math.log(2) / size, rel=1e-5)


@pytest.mark.slow
def test_bits_per_byte_of_a_cut_text_count_what_was_read(tiny_folder: Path, tmp_path: Path) -> None:
    suite = tmp_path / "long.csv"
    suite.write_text("task,id,text\nt,long," + "one two " * 50 + "\n", encoding="utf-8")
    found = of_run(
        tiny_folder,
        suite,
        tmp_path / "run",
        "bits_per_byte",
        "surprisal",
        truncate=True,
        sample_tokens=None,
    )
    nats = found.loc[("surprisal", "long"), "value"] * 63
    size = len(" ".join(["one two"] * 32)) - len("one")
    bits = found.loc[("bits_per_byte", "long"), "value"]
    assert bits == pytest.approx(nats / math.log(2) / size, rel=1e-12)
