"""Shares of entries below a threshold agree with numpy, of hidden states and of neurons."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import inputs_for, padded, row_of
from branches import branches
from eager import eager
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL, WAYS, Case
from reference import ROUNDING, Key, Outcome, Values

from cortexscope.measure import attach
from cortexscope.models import load_model

COUNTS_OF_STATES = ("near_zero_relative", "exact_zeros")
COUNTS_OF_NEURONS = ("neuron_near_zero", "neuron_exact_zeros", "neuron_dead")


def of_counts(case: Case, side: int) -> Values:
    """Return shares of entries below thresholds, which are moved by the rounding of float32.

    Args:
        case: the prompt.
        side: -1 for the fewest that float32 may find, 1 for the most.
    """
    values: Values = {}

    def spread(entries: np.ndarray) -> float:
        return side * (ROUNDING[0] + ROUNDING[1] * float(np.sqrt((entries**2).mean())))

    def zeros(entries: np.ndarray) -> float:
        # Smooth activations that are all but 0 come out as 0 in float32.
        return float((np.abs(entries) < 5e-7).mean() if side > 0 else (entries == 0).mean())

    for stack in case.stacks:
        for layer, state in enumerate(stack.states):
            key = (stack.name, layer, None, None)
            scale = np.sqrt((state**2).mean(-1, keepdims=True))
            small = np.abs(state) < 0.1 * scale + spread(state)
            values["near_zero_relative", *key] = float(small.mean())
            values["exact_zeros", *key] = zeros(state)
    for name, blocks in branches(case).items():
        for layer, block in enumerate(blocks, start=1):
            if block.neurons is None:
                reason = "no MLP with a down projection was found"
                values |= {(metric, name, None, None, None): reason for metric in COUNTS_OF_NEURONS}
                continue
            key = (name, layer, None, None)
            neurons = block.neurons[case.places(len(block.neurons))]
            below = np.abs(neurons) < 0.01 + spread(neurons)
            values["neuron_near_zero", *key] = float(below.mean())
            values["neuron_exact_zeros", *key] = zeros(neurons)
            values["neuron_dead", *key] = float(below.all(0).mean())
    return values


def within(case: Case, got: dict[Key, Outcome]) -> bool:
    """Return whether what was counted lies between the fewest and the most."""
    fewest, most = of_counts(case, -1), of_counts(case, 1)
    assert got.keys() == fewest.keys()
    for key, found in got.items():
        low, high = fewest[key], most[key]
        if isinstance(found, str) or isinstance(low, str) or isinstance(high, str):
            assert found == low, key
        else:
            assert low - 1e-12 <= found <= high + 1e-12, key
    return True


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_counted_entries_are_those_below_the_threshold(family: str, way: str) -> None:
    row = FAMILIES[family]
    model = tiny_model(family)
    batch = inputs_for(row, [9, 2, 1] if way == "few" else [37, 9, 1], left=way == "left")
    sample = 5 if way == "sample" else None
    names = (*COUNTS_OF_STATES, *COUNTS_OF_NEURONS)
    with attach(model, metrics=names, sample_tokens=sample) as probe, torch.no_grad():
        model(**batch)
    twin = eager(model)
    for number, got in enumerate(outcomes(probe.frame()).values()):
        assert within(Case(twin, row, row_of(batch, number, padding=False), sample), got)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_so_they_are_on_the_demo_models(name: str) -> None:
    model = load_model(name)
    ids = model.tokenizer(" ".join(["The cat sat on the mat, and the dog did not."] * 4))
    row = FAMILIES["llama" if name == "demo-decoder" else "bert"]
    batch = padded([ids["input_ids"]])
    names = (*COUNTS_OF_STATES, *COUNTS_OF_NEURONS)
    with attach(model, metrics=names, sample_tokens=32) as probe, torch.no_grad():
        model.module(**batch)
    (got,) = outcomes(probe.frame()).values()
    assert within(Case(eager(model.module), row, batch, 32), got)


def test_in_bfloat16_they_are_within_a_hundredth() -> None:
    model = tiny_model("llama").to(torch.bfloat16)
    batch = inputs_for(FAMILIES["llama"], [33, 9])
    names = (*COUNTS_OF_STATES, *COUNTS_OF_NEURONS)
    found = []
    for kind in (torch.float32, torch.bfloat16):
        with attach(model.to(kind), metrics=names) as probe, torch.no_grad():
            model(**batch)
        found.append(outcomes(probe.frame()))
    exact, rounded = found
    for prompt, values in exact.items():
        for key, value in values.items():
            assert rounded[prompt][key] == pytest.approx(value, abs=0.01), key
