"""Metrics of magnitude agree with numpy on the panel's families and on the demo models."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL, WAYS, Case, agree, agree_on, as_outcome
from reference import Outcome, Values, same

from cortexscope.measure import attach
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout
from cortexscope.models import load_model
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Tokens

METRICS = (
    "residual_norm_rest",
    "residual_growth",
    "residual_mean",
    "residual_mean_abs",
    "kurtosis_tokens",
    "kurtosis_prompt",
    "kurtosis_features",
    "largest_activation",
    "largest_activation_token",
    "largest_activation_dimension",
    "massive_activations",
    "outlier_dimensions",
)

SITE = Site("decoder", 1)


def kurtosis(values: np.ndarray, axis: int | None) -> np.ndarray:
    """Return m4 / m2^2, NaN where all values are equal."""
    apart = values - values.mean(axis=axis, keepdims=True)
    second = (apart**2).mean(axis=axis)
    varies = second > 1e-12 * (values**2).mean(axis=axis)
    found: np.ndarray = np.where(
        varies, (apart**4).mean(axis=axis) / np.where(varies, second, 1) ** 2, np.nan
    )
    return found


def of_layer(state: np.ndarray, places: list[int]) -> dict[str, Outcome]:
    sizes = np.abs(state)
    token, dimension = np.unravel_index(sizes.argmax(), sizes.shape)
    sampled = np.sort(sizes[places].ravel())
    median = sampled[(len(sampled) - 1) // 2]
    over_tokens = kurtosis(state, 0) if len(state) > 1 else np.array([np.nan])
    return {
        "residual_norm_rest": (
            float(np.linalg.norm(state[1:], axis=-1).mean())
            if len(state) > 1
            else "fewer than two tokens"
        ),
        "residual_mean": float(state.mean()),
        "residual_mean_abs": float(sizes.mean()),
        "kurtosis_tokens": float(np.nanmean(kurtosis(state[places], 1))),
        "kurtosis_prompt": float(kurtosis(state, None)),
        "kurtosis_features": (
            "fewer than two tokens, or all tokens have the same state"
            if np.isnan(over_tokens).all()
            else float(np.nanmean(over_tokens))
        ),
        "largest_activation": float(sizes.max()),
        "largest_activation_token": float(token),
        "largest_activation_dimension": float(dimension),
        "massive_activations": float(((sizes > 100) & (sizes > 1000 * median)).sum()),
    }


def growth(states: list[np.ndarray]) -> Outcome:
    if len(states[0]) < 2:
        return "fewer than two tokens"
    means = [np.linalg.norm(state[1:], axis=-1).mean() for state in states[1:]]
    return math.exp(np.polyfit(np.arange(len(means)), np.log(means), 1)[0])


def outliers(states: list[np.ndarray]) -> float:
    layers = np.stack(states)
    scale = np.sqrt((layers**2).mean(-1, keepdims=True))
    found = np.abs(layers) >= 6 * scale
    often = found.mean((0, 1)) >= 0.06
    deep = found.any(1).mean(0) >= 0.25
    return float((often & deep).sum())


def reference(case: Case) -> Values:
    values: Values = {}
    for stack in case.stacks:
        if not stack.states:
            continue
        for layer, state in enumerate(stack.states):
            for name, value in of_layer(state, case.places(len(state))).items():
                values[name, stack.name, layer, None, None] = value
        values["residual_growth", stack.name, None, None, None] = growth(stack.states)
        values["outlier_dimensions", stack.name, None, None, None] = outliers(
            [state[case.places(len(state))] for state in stack.states]
        )
    return values


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_so_they_do_on_the_demo_models(name: str) -> None:
    words = " ".join(["The cat sat on the mat, and the dog did not."] * 9).split()
    texts = [" ".join(words[:length]) for length in (1, 2, 20, 40, 80)]
    assert agree_on(load_model(name), texts, METRICS, reference, sample=32) > 0


def test_in_bfloat16_they_are_within_a_fiftieth() -> None:
    row = FAMILIES["llama"]
    model = tiny_model("llama")
    batch = inputs_for(row, [33, 9])
    names = [
        "residual_norm_rest",
        "residual_growth",
        "residual_mean_abs",
        "kurtosis_tokens",
        "kurtosis_prompt",
        "kurtosis_features",
        "largest_activation",
    ]
    found = []
    for kind in (torch.float32, torch.bfloat16):
        model.to(torch.bfloat16).to(kind)
        with attach(model, metrics=names) as probe, torch.no_grad():
            model(**batch)
        found.append(outcomes(probe.frame()))
    exact, rounded = found
    for prompt, values in exact.items():
        for key, value in values.items():
            assert same(rounded[prompt][key], value, relative=0.02, absolute=0), key


def measured(name: str, *layers: torch.Tensor) -> list[Outcome]:
    """Return a metric, layer by layer, of a prompt with these states, [token, feature]."""
    (metric,) = make_metrics([name], MetricOptions())
    sites = tuple(Site("decoder", layer) for layer in range(len(layers)))
    layout = Layout(hidden=(sites,), blocks=(sites[1:],), attention=(sites[1:],), final=())
    positions = Tokens(torch.ones(1, len(layers[0]), dtype=torch.bool))
    state = metric.start()
    for site, states in zip(sites, layers, strict=True):
        state = metric.update(state, site, HiddenStates(states[None], positions))
    (found,) = metric.compute(state, layout)
    assert found.values is not None
    return [as_outcome(value, "undefined") for value in found.values[:, 0].tolist()]


def test_gaussian_states_have_kurtosis_three_on_every_axis() -> None:
    states = torch.randn(1000, 1000, generator=torch.Generator().manual_seed(0))
    for axis in ("tokens", "prompt", "features"):
        assert measured(f"kurtosis_{axis}", states) == [pytest.approx(3, abs=0.02)]


def test_one_large_entry_is_seen_on_every_axis_as_it_should_be() -> None:
    states = torch.zeros(10, 20)
    states[3, 7] = 5
    entries = 200
    one = entries - 2 + 1 / (entries - 1)
    assert measured("kurtosis_prompt", states) == [pytest.approx(one)]
    assert measured("kurtosis_tokens", states) == [pytest.approx(20 - 2 + 1 / 19)]
    assert measured("kurtosis_features", states) == [pytest.approx(10 - 2 + 1 / 9)]


def test_a_large_common_value_costs_no_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    states = 1000 + torch.randn(50, 64, generator=generator, dtype=torch.float64)
    plain = states.numpy()
    for axis, number in (("tokens", 1), ("prompt", None), ("features", 0)):
        wanted = float(kurtosis(plain, number).mean())
        assert measured(f"kurtosis_{axis}", states.float()) == [pytest.approx(wanted, rel=2e-3)]


def test_states_that_do_not_vary_have_no_kurtosis() -> None:
    states = torch.full((4, 8), 0.1)
    for axis in ("tokens", "prompt", "features"):
        assert measured(f"kurtosis_{axis}", states) == ["undefined"]


def test_growth_is_the_factor_of_a_layer_and_skips_embedding_and_first_token() -> None:
    layers = [torch.full((3, 4), 2.0**layer) for layer in range(5)]
    layers[0] *= 1e-3
    for layer in layers:
        layer[0] = 1e4
    assert measured("residual_growth", *layers) == [pytest.approx(2)]


def test_massive_activations_are_counted_by_both_rules() -> None:
    quiet = torch.full((4, 64), 0.2)
    quiet[0, 5], quiet[2, 9], quiet[3, 1] = 250.0, -201.0, 150.0
    assert measured("massive_activations", quiet) == [2]
    assert measured("massive_activations", quiet / 4) == [0]
    assert measured("massive_activations", quiet / 1.9) == [2]


def test_an_outlier_must_be_in_enough_layers_and_at_enough_positions() -> None:
    plain = torch.ones(50, 400)
    layers = [plain.clone() for _ in range(8)]
    for layer in layers[:2]:
        layer[:12, 3] = 20.0
        layer[:11, 4] = -20.0
        layer[0, 5] = 20.0
    layers[0][:, 6] = 20.0
    # 24 of 400 positions are 6 %, 22 are less; feature 6 is one in a single layer of eight.
    assert measured("outlier_dimensions", *layers) == [1]


def test_what_the_model_could_not_compute_is_not_taken_for_undefined() -> None:
    states = torch.ones(3, 4)
    states[1, 2] = torch.nan
    for name in ("kurtosis_prompt", "kurtosis_tokens", "largest_activation", "massive_activations"):
        assert measured(name, states) == [math.inf], name
    assert measured("outlier_dimensions", states, states) == [math.inf]
