"""The metrics of recurrent mixers agree with their recurrences, run token by token in numpy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from batches import Batch, inputs_for, padded, prompts, row_of
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured, outcomes
from panel import WAYS, Case, agree
from reference import Outcome, Values, same

from cortexscope.measure import attach

METRICS = ("mixer_step_size", "mixer_decay", "mixer_state_norm")
NO_STEP = "this mixer has no step size, or its kernel does not show it"
NO_STATE = "the state of this mixer has no size of its own, or its kernel does not show it"


class Heard(NamedTuple):
    """A mixer, with what its parts were given and gave for one prompt, without the batch."""

    part: Any
    given: dict[str, np.ndarray]
    gave: dict[str, np.ndarray]

    def weight(self, name: str) -> np.ndarray:
        parameter: torch.Tensor = self.part.get_parameter(name)
        values: np.ndarray = parameter.detach().double().numpy()
        return values


def softplus(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.logaddexp(0, x)
    return y


def sigmoid(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = 1 / (1 + np.exp(-x))
    return y


def convolved(heard: Heard, rows: np.ndarray) -> np.ndarray:
    """Return the causal convolution over tokens, and its SiLU; rows are [token, channel]."""
    weight = heard.weight("conv1d.weight")[:, 0]  # [channel, place]
    size = weight.shape[1]
    before = np.concatenate([np.zeros((size - 1, rows.shape[1])), rows])
    out = sum(weight[:, place] * before[place : place + len(rows)] for place in range(size))
    if heard.part.conv1d.bias is not None:
        out = out + heard.weight("conv1d.bias")
    result: np.ndarray = out * sigmoid(np.asarray(out))
    return result


def found(steps: Any, decays: Any, state: np.ndarray) -> dict[str, Outcome]:
    return {
        "mixer_step_size": float(np.mean(steps)),
        "mixer_decay": float(np.mean(decays)),
        "mixer_state_norm": float(np.sqrt((state**2).sum())),
    }


def mamba(heard: Heard) -> dict[str, Outcome]:
    rate = np.exp(heard.weight("A_log"))  # [channel, state]
    inputs, out = heard.given["x_proj"], heard.gave["x_proj"]
    rank = heard.part.time_step_rank
    raw, keys = out[:, :rank], out[:, rank : rank + rate.shape[1]]
    raw, keys = heard.gave.get("dt_layernorm", raw), heard.gave.get("b_layernorm", keys)
    steps = softplus(raw @ heard.weight("dt_proj.weight").T + heard.weight("dt_proj.bias"))
    state, decays = np.zeros_like(rate), []
    for step, x, key in zip(steps, inputs, keys, strict=True):
        decays.append(np.exp(-rate * step[:, None]))
        state = decays[-1] * state + (step * x)[:, None] * key
    return found(steps, decays, state)


def mamba2(heard: Heard) -> dict[str, Outcome]:
    part, rate = heard.part, np.exp(heard.weight("A_log"))
    heads, states = part.num_heads, part.ssm_state_size
    projected = heard.gave["in_proj"]
    if hasattr(part, "mup_vector"):
        projected = projected * part.mup_vector.double().numpy()[0]
    width = part.intermediate_size
    steps = softplus(projected[:, -heads:] + heard.weight("dt_bias"))
    steps = steps.clip(*part.time_step_limit)
    mixed = convolved(heard, projected[:, width:-heads])
    values = mixed[:, :width].reshape(len(mixed), heads, -1)
    keys = mixed[:, width : width + part.n_groups * states].reshape(len(mixed), -1, states)
    keys = keys.repeat(heads // part.n_groups, axis=1)
    decays = np.exp(-rate * steps)
    state = np.zeros((heads, values.shape[2], states))
    for token, decay in enumerate(decays):
        added = (steps[token][:, None] * values[token])[:, :, None] * keys[token][:, None]
        state = decay[:, None, None] * state + added
    return found(steps, decays, state)


def delta_rule(heard: Heard) -> dict[str, Outcome]:
    part = heard.part
    if "in_proj_ba" in heard.gave:
        rows = [torch.tensor(heard.gave[f"in_proj_{name}"])[None] for name in ("qkvz", "ba")]
        ordered = [x[0].numpy() for x in part.fix_query_key_value_ordering(*rows)]
        query, key, value, _, raw_beta, raw_step = ordered
        mixed = np.concatenate([x.reshape(len(x), -1) for x in (query, key, value)], axis=1)
    else:
        mixed = heard.gave["in_proj_qkv"]
        raw_beta, raw_step = heard.gave["in_proj_b"], heard.gave["in_proj_a"]
    mixed = convolved(heard, mixed)
    width = part.key_dim
    keys = mixed[:, width : 2 * width].reshape(len(mixed), part.num_k_heads, -1)
    keys = keys / np.sqrt((keys**2).sum(-1, keepdims=True) + 1e-6)
    keys = keys.repeat(part.num_v_heads // part.num_k_heads, axis=1)
    values = mixed[:, 2 * width :].reshape(len(mixed), part.num_v_heads, -1)
    steps = softplus(raw_step + heard.weight("dt_bias"))
    decays = np.exp(-np.exp(heard.weight("A_log")) * steps)
    state = np.zeros((part.num_v_heads, keys.shape[2], values.shape[2]))
    for token, decay in enumerate(decays):
        state = decay[:, None, None] * state
        key, rate = keys[token][:, :, None], sigmoid(raw_beta[token])[:, None]
        written = rate * (values[token] - (key * state).sum(1))
        state = state + key * written[:, None]
    return found(steps, decays, state)


def griffin(heard: Heard) -> dict[str, Outcome]:
    inputs = heard.given[""]
    heads = heard.part.num_attention_heads
    rows = inputs.reshape(len(inputs), heads, -1)

    def gate(name: str) -> np.ndarray:
        weight, bias = heard.weight(f"{name}_weight"), heard.weight(f"{name}_bias")
        return sigmoid(np.einsum("nhi,hio->nho", rows, weight) + bias).reshape(inputs.shape)

    decays = np.exp(-8 * gate("recurrent_gate") * softplus(heard.weight("recurrent_param")))
    added = gate("input_gate") * inputs * np.sqrt(1 - decays**2)
    state = gate("input_gate")[0] * inputs[0]
    for decay, new in zip(decays[1:], added[1:], strict=True):
        state = decay * state + new
    return {**found(0, decays, state), "mixer_step_size": NO_STEP}


def rwkv(heard: Heard) -> dict[str, Outcome]:
    decays = np.exp(-np.exp(heard.weight("time_decay")))
    nothing: dict[str, Outcome] = {"mixer_step_size": NO_STEP, "mixer_state_norm": NO_STATE}
    return {**found(0, decays, decays), **nothing}


MIXERS: dict[str, tuple[str, Callable[[Heard], dict[str, Outcome]]]] = {
    "mamba": ("mixer", mamba),
    "jamba": ("mamba", mamba),
    "mamba2": ("mixer", mamba2),
    "bamba": ("mamba", mamba2),
    "falcon_h1": ("mamba", mamba2),
    "qwen3_next": ("linear_attn", delta_rule),
    "qwen3_5_text": ("linear_attn", delta_rule),
    "rwkv": ("attention", rwkv),
    "recurrent_gemma": ("temporal_block.rg_lru", griffin),
}
"""Where the mixer is in a block, and its recurrence."""


def listen(part: Any, run: Callable[[], object]) -> Heard:
    """Run a model, and keep what the parts of a mixer are given and give."""
    heard = Heard(part, {}, {})

    def keep(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, output: Any) -> None:
            for kept, state in ((heard.given, args[:1]), (heard.gave, (output,))):
                if state and isinstance(state[0], torch.Tensor):
                    kept[name] = state[0][0].double().numpy()

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name, module in part.named_modules():
            hooks.callback(module.register_forward_hook(keep(name)).remove)
        run()
    return heard


def of_prompt(family: str, twin: Any, inputs: Batch) -> Values:
    path, recurrence = MIXERS[family]
    blocks = twin.base_model.get_submodule(FAMILIES[family].blocks)
    values: Values = {}
    for layer, block in enumerate(blocks, start=1):
        parts = dict(block.named_modules())
        results: dict[str, Outcome] = dict.fromkeys(METRICS, "no recurrent mixer in this layer")
        if path in parts:
            results = recurrence(listen(parts[path], lambda: twin.base_model(**inputs)))
        for metric, value in results.items():
            values[metric, "decoder", layer, None, None] = value
    return values


@pytest.mark.parametrize(
    ("family", "way"),
    # The convolutions of one family see padding on the left, so that it reads other prompts.
    [(f, way) for f in MIXERS for way in WAYS if (f, way) != ("recurrent_gemma", "left")],
)
def test_they_equal_the_recurrence(family: str, way: str) -> None:
    def reference(case: Case) -> Values:
        return of_prompt(family, case.twin, case.inputs)

    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("mamba2", {"chunk_size": 16, "time_step_limit": (0.2, 0.6)}),
        ("falcon_h1", {"mamba_chunk_size": 16}),
        ("qwen3_next", {}),
        ("qwen3_5_text", {}),
    ],
)
def test_states_of_texts_longer_than_a_chunk_are_exact(
    family: str, settings: dict[str, Any], left: bool
) -> None:
    model = tiny_model(family, **settings)
    batch = inputs_for(FAMILIES[family], [150, 129, 128, 65, 64, 63, 1], left=left)
    twin = eager(model)
    for number, got in enumerate(measured(model, batch, metrics=METRICS)):
        wanted = of_prompt(family, twin, row_of(batch, number, padding=False))
        assert got.keys() == wanted.keys()
        assert all(same(got[key], wanted[key], relative=1e-4, absolute=1e-6) for key in got)


@pytest.mark.parametrize("family", ["mamba2", "qwen3_next"])
def test_a_state_that_goes_on_from_a_cache_is_that_of_the_whole_text(family: str) -> None:
    model = tiny_model(family)
    (ids,) = (torch.tensor([row]) for row in prompts([40]))
    whole = measured(model, padded([ids[0].tolist()]), metrics=["mixer_state_norm"])[0]
    with attach(model, metrics=["mixer_state_norm"]) as probe, torch.no_grad():
        first = model(input_ids=ids[:, :23], use_cache=True)
        name = "cache_params" if "cache_params" in first else "past_key_values"
        model(input_ids=ids[:, 23:], use_cache=True, **{name: first[name]})
    after = list(outcomes(probe.frame()).values())[1]
    for key, value in whole.items():
        assert same(after[key], value, relative=1e-4, absolute=1e-6)


def test_in_bfloat16_they_are_within_a_twentieth() -> None:
    row = FAMILIES["mamba2"]
    model = tiny_model("mamba2").to(torch.bfloat16)
    batch = inputs_for(row, [37, 33])
    twin = eager(model)
    for number, got in enumerate(measured(model, batch, metrics=METRICS)):
        wanted = of_prompt("mamba2", twin, row_of(batch, number, padding=False))
        assert all(same(got[key], wanted[key], relative=0.05, absolute=0) for key in got)


def test_attention_alone_has_no_mixers() -> None:
    model = tiny_model("gpt2")
    (got,) = measured(model, padded(prompts([9])), metrics=METRICS)
    assert set(got.values()) == {"no recurrent mixers"}


def test_what_a_model_computes_is_left_as_it_is() -> None:
    for family in ("mamba", "mamba2", "qwen3_next", "recurrent_gemma"):
        model = tiny_model(family)
        batch = padded(prompts([20, 7]))
        with torch.no_grad():
            bare = model(**batch, use_cache=False)[0]
            with attach(model, metrics=METRICS):
                assert torch.equal(model(**batch, use_cache=False)[0], bare)
