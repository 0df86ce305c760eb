"""The alignment of layers agrees with the published formula, term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from batches import inputs_for, row_of
from eager import eager, watch
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL
from reference import Values, same

from cortexscope.measure import attach
from cortexscope.metrics.cka import alignment

LENGTHS = [12, 9, 7, 5, 4, 3, 2, 1]
FEW = "fewer than four prompts, or a layer where all have one state"


def hsic(one: np.ndarray, other: np.ndarray) -> float:
    """Return HSIC_1 of two layers' states, as equation 3 of Nguyen et al. 2021 says it."""
    n = len(one)
    k, m = one @ one.T, other @ other.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    ones = np.ones(n)
    sums = (
        np.trace(k @ m)
        + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (ones @ k @ m @ ones)
    )
    return float(sums / (n * (n - 3)))


def cka(one: np.ndarray, other: np.ndarray) -> float:
    return hsic(one, other) / math.sqrt(hsic(one, one) * hsic(other, other))


def reference(family: str) -> Values:
    row = FAMILIES[family]
    twin = eager(tiny_model(family))
    batch = inputs_for(row, LENGTHS)
    read = [
        watch(twin, row, row_of(batch, number, padding=False)) for number in range(len(LENGTHS))
    ]
    found: Values = {}
    for number, stack in enumerate(read[0]):
        layers = []
        for layer in range(len(stack.states)):
            prompts = [stacks[number].states[layer] for stacks in read]
            kept = [states[1:] if len(states) > 1 else states for states in prompts]
            layers.append(np.stack([states.mean(0) for states in kept]))
        for layer, one in enumerate(layers):
            for other in range(layer + 1, len(layers)):
                found["cka", stack.name, layer, None, other] = cka(one, layers[other])
    return found


@pytest.mark.parametrize("family", PANEL)
def test_it_equals_the_published_formula(family: str) -> None:
    model = tiny_model(family)
    with attach(model, metrics=["cka"]) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES[family], LENGTHS))
    (found,) = outcomes(probe.frame()).values()
    wanted = reference(family)
    assert found.keys() == wanted.keys()
    wrong = {
        key: (found[key], value)
        for key, value in wanted.items()
        if not same(found[key], value, relative=1e-4, absolute=1e-5)
    }
    assert not wrong


RNG = np.random.default_rng(4)
ONE = RNG.standard_normal((60, 8))


def of(one: np.ndarray, other: np.ndarray) -> float:
    return alignment([torch.tensor(one), torch.tensor(other)])[0, 1].item()


def test_a_layer_is_wholly_aligned_with_itself_turned_shifted_and_scaled() -> None:
    alike = alignment([torch.tensor(ONE)] * 2)
    assert alike.flatten().tolist() == pytest.approx([1] * 4)
    turned = ONE @ np.linalg.qr(RNG.standard_normal((8, 8)))[0]
    assert of(ONE, 3 * turned + 1000) == pytest.approx(1, abs=1e-9)


def test_unrelated_layers_are_aligned_by_nothing_on_average() -> None:
    found = [of(RNG.standard_normal((60, 8)), RNG.standard_normal((60, 5))) for _ in range(100)]
    assert np.mean(found) == pytest.approx(0, abs=float(3 * np.std(found) / math.sqrt(100)))
    assert min(found) < 0


def test_many_prompts_are_summed_block_by_block() -> None:
    one, other = RNG.standard_normal((600, 4)), RNG.standard_normal((600, 6))
    other[:, :4] += one
    # 600 prompts are three blocks of 200.
    blocks = [slice(0, 200), slice(200, 400), slice(400, 600)]
    sums = [
        sum(hsic(a[rows], b[rows]) for rows in blocks)
        for a, b in ((one, other), (one, one), (other, other))
    ]
    assert of(one, other) == pytest.approx(sums[0] / math.sqrt(sums[1] * sums[2]))


def test_too_few_prompts_and_one_state_for_all_are_undefined() -> None:
    assert math.isnan(of(ONE[:3], ONE[:3]))
    assert math.isnan(of(ONE, np.ones((60, 2))))
    model = tiny_model("llama")
    with attach(model, metrics=["cka"]) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES["llama"], [5, 4, 3]))
    assert set(probe.frame()["reason"]) == {FEW}


def test_states_that_are_no_numbers_are_said_to_be_none() -> None:
    wrong = ONE.copy()
    wrong[3, 3] = math.nan
    assert math.isinf(of(ONE, wrong))
