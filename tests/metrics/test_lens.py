"""The logit lens agrees with numpy on whole logits of every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from batches import inputs_for, padded, prompts
from eager import eager
from families import FAMILIES, tiny_model
from heads import LAST_NORM, head, log_softmax, predicted
from masked import masked_model
from measured import measured
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Values

from cortexscope.measure import attach
from cortexscope.models import load_model
from cortexscope.taps import _readout, _unembedding

METRICS = ("lens_entropy", "lens_kl", "lens_rank", "lens_agreement", "decision_depth")
NO_HEAD = "the model has no language-model head"


def normed(twin: Any, states: np.ndarray) -> np.ndarray:
    path = LAST_NORM.get(twin.config.model_type, "model.norm")
    if path is None:
        return states
    with torch.no_grad():
        found: np.ndarray = twin.get_submodule(path)(torch.from_numpy(states)).numpy()
    return found


def reference(case: Case) -> Values:
    (stack,) = [s for s in case.stacks if s.states and s.name == predicted_stack(case)]
    if not hasattr(case.twin, "lm_head") and not hasattr(case.twin, "cls"):
        return {(name, stack.name, None, None, None): NO_HEAD for name in METRICS}
    _, ids, own = predicted(case)
    chosen = case.places(len(ids))
    layers = [log_softmax(head(case.twin, normed(case.twin, x[chosen]))) for x in stack.states]
    final = log_softmax(own)[chosen]
    np.testing.assert_allclose(layers[-1], final, rtol=1e-9, atol=1e-9)
    tops = final.argmax(-1)
    share = np.exp(final)
    values: Values = {}
    decided = np.full(len(chosen), len(layers) - 1)
    for layer in reversed(range(len(layers))):
        logs = layers[layer]
        ranks = 1 + (logs > logs[np.arange(len(chosen)), tops][:, None]).sum(-1)
        decided = np.where(
            (ranks == 1) & (decided >= layer) & (decided <= layer + 1), layer, decided
        )
        found = {
            "lens_entropy": -(np.exp(logs) * logs).sum(-1),
            "lens_kl": (share * (final - logs)).sum(-1),
            "lens_rank": ranks,
            "lens_agreement": logs.argmax(-1) == tops,
        }
        for name, column in found.items():
            values[name, stack.name, layer, None, None] = float(column.mean())
    values["decision_depth", stack.name, None, None, None] = float(decided.mean())
    return values


def predicted_stack(case: Case) -> str:
    return "encoder" if case.family.kind == "encoder" else "decoder"


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", [*PANEL, "gemma2", "cohere2", "granite"])
def test_it_equals_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.parametrize("family", ["llama", "gemma2", "t5"])
def test_small_pieces_of_the_vocabulary_give_the_same(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_unembedding, "_ENTRIES", 400)
    monkeypatch.setattr(_readout, "_ROWS", 11)
    assert agree(family, "right", METRICS, reference) > 0


def test_a_masked_model_is_read_by_its_own_head() -> None:
    model = masked_model("bert")
    rows = prompts([37, 9, 1])
    twin = eager(model)
    with attach(model, metrics=METRICS, sample_tokens=None) as probe, torch.no_grad():
        model(**padded(rows))
    frame = probe.frame()
    for number, row in enumerate(rows):
        wanted = reference(Case(twin, FAMILIES["bert"], padded([row]), None))
        own = frame[frame["prompt_id"] == f"0-{number}"]
        for name in METRICS:
            expected = [float(x) for (metric, *_), x in wanted.items() if metric == name]
            got = own[own["metric"] == name].sort_values("layer", ascending=False)["value"]
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.weights
def test_it_equals_the_plain_computation_on_the_demo_models() -> None:
    words = "The cat sat on the mat because it was warm there and nobody minded it at all. " * 6
    for name in ("demo-decoder", "demo-encoder"):
        model = load_model(name)
        ids = [model.tokenizer(words)["input_ids"][:n] for n in (1, 2, 24, 47, 90)]
        texts = [model.tokenizer.decode(row, skip_special_tokens=True) for row in ids]
        assert agree_on(model, texts, METRICS, reference, sample=32) > 0


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "t5", "mamba"])
def test_the_last_layer_is_the_prediction_itself(family: str) -> None:
    model = tiny_model(family)
    inputs = inputs_for(FAMILIES[family], [40, 9, 2])
    names = [*METRICS, "token_entropy"]
    with attach(model, metrics=names, sample_tokens=None) as probe, torch.no_grad():
        model(**inputs)
    frame = probe.frame()
    last = frame[frame["layer"] == frame["layer"].max()].set_index(["metric", "prompt_id"])["value"]
    assert (last["lens_kl"] == 0).all()
    assert (last["lens_rank"] == 1).all()
    assert (last["lens_agreement"] == 1).all()
    entropy = frame[frame["metric"] == "token_entropy"].set_index("prompt_id")["value"]
    np.testing.assert_allclose(last["lens_entropy"], entropy, rtol=1e-6)


def test_a_model_whose_layers_add_nothing_decides_at_once() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
    (found,) = measured(model, padded(prompts([40])), metrics=METRICS)
    assert found["decision_depth", "decoder", None, None, None] == 0
    agreements = [x for (name, *_), x in found.items() if name == "lens_agreement"]
    assert agreements == [1] * 4
    divergences = [float(x) for (name, *_), x in found.items() if name == "lens_kl"]
    assert max(divergences) < 1e-6


def test_bfloat16_is_near() -> None:
    model = tiny_model("llama")
    inputs = inputs_for(FAMILIES["llama"], [40, 9, 2])
    frames = []
    for dtype in (torch.float32, torch.bfloat16):
        model = model.to(dtype)
        with attach(model, metrics=["lens_entropy", "lens_kl"]) as probe, torch.no_grad():
            model(**inputs)
        frames.append(probe.frame().set_index(["prompt_id", "metric", "layer"])["value"])
    # Weights of 8 bits move logits of about 4 by up to 0.05.
    np.testing.assert_allclose(frames[1], frames[0], rtol=0.1, atol=0.02)


def test_a_last_norm_that_does_not_give_the_final_state_is_refused() -> None:
    model = tiny_model("llama")
    model.model.register_forward_hook(twice_the_state)
    with attach(model, metrics=METRICS) as probe, torch.no_grad():
        model(**padded(prompts([9])))
    reason = "its last norm does not make the final state of the last layer's"
    assert set(probe.frame()["reason"]) == {reason}


def twice_the_state(module: object, args: object, output: Any) -> Any:
    output.last_hidden_state = output.last_hidden_state * 2
    return output


def test_what_the_model_cannot_compute_is_no_value() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(torch.nan)
    with attach(model, metrics=[*METRICS, "token_entropy"]) as probe, torch.no_grad():
        model(**padded(prompts([9])))
    frame = probe.frame()
    assert frame[frame["metric"] != "lens_entropy"]["value"].isna().all()
    reasons = frame[frame["value"].isna()]["reason"]
    assert set(reasons) == {"the model computed a number that is not finite"}
