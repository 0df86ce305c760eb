"""Block influence and angular distance agree with numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from families import tiny_model
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Values

from cortexscope.measure import attach
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout
from cortexscope.metrics.base.states import State
from cortexscope.models import load_model
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Tokens

METRICS = ("block_influence", "angular_distance")


def reference(case: Case) -> Values:
    found: Values = {}
    for stack in case.stacks:
        for layer in range(1, len(stack.states)):
            before, after = stack.states[layer - 1 : layer + 1]
            cosines = [cosine(a, b) for a, b in zip(before, after, strict=True)]
            found["block_influence", stack.name, layer, None, None] = 1 - float(np.mean(cosines))
        for layer, states in enumerate(stack.states):
            for other in range(layer + 1, len(stack.states)):
                angle = math.acos(cosine(states[-1], stack.states[other][-1]))
                found["angular_distance", stack.name, layer, None, other] = angle / math.pi
    return found


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_they_equal_the_plain_computation_on_real_weights(name: str) -> None:
    words = [f"word{number} and" for number in range(90)]
    texts = [" ".join(words[:count]) for count in (1, 2, 24, 47, 90)]
    assert agree_on(load_model(name), texts, METRICS, reference) > 0


def test_a_model_in_bfloat16_stays_near_its_float64_twin() -> None:
    model = tiny_model("llama")
    frames = []
    for dtype in (torch.float64, torch.bfloat16):
        with attach(model.to(dtype), metrics=METRICS) as probe:
            model(input_ids=torch.arange(3, 40)[None])
        frames.append(probe.frame())
    # A cosine of states in bfloat16 is off by up to 0.004.
    np.testing.assert_allclose(frames[1]["value"], frames[0]["value"], rtol=0.02, atol=0.01)


SITES = (Site("decoder", 0), Site("decoder", 1), Site("decoder", 2))


def distances(*layers: list[float]) -> list[float]:
    (metric,) = make_metrics(["angular_distance"], MetricOptions())
    state: State = {}
    for site, vector in zip(SITES, layers, strict=False):
        every = Tokens(torch.ones(1, 1, dtype=torch.bool))
        state = metric.update(state, site, HiddenStates(torch.tensor([[vector]]), every))
    layout = Layout(hidden=(SITES[: len(layers)],), blocks=(), attention=(), final=())
    found = [values.values for values in metric.compute(state, layout)]
    return torch.cat([x.flatten() for x in found if x is not None]).tolist()


def test_opposite_states_are_half_a_turn_apart_and_right_angles_a_quarter() -> None:
    found = distances([1.0, 0.0], [0.0, 3.0], [-2.0, 0.0])
    assert found == pytest.approx([0.5, 1, 0.5], abs=1e-7)
    assert distances([1.0, 2.0, 3.0], [3.0, 6.0, 9.0]) == pytest.approx([0], abs=1e-7)


def test_a_small_angle_is_not_lost_in_float32() -> None:
    assert distances([1.0, 0.0], [1.0, 1e-4]) == pytest.approx([1e-4 / math.pi], rel=1e-4)


def test_a_state_of_zeros_is_at_no_distance() -> None:
    found = distances([1.0, 0.0], [0.0, 0.0], [1.0, 0.0])
    assert [math.isnan(x) for x in found] == [True, False, True]


def influence(before: torch.Tensor, after: torch.Tensor) -> float:
    (metric,) = make_metrics(["block_influence"], MetricOptions())
    every = Tokens(torch.ones(before.shape[:2], dtype=torch.bool))
    shown = HiddenStates(after, every, before=HiddenStates(before, every))
    sums = metric.update({}, SITES[1], shown)[SITES[1]]
    return (sums["total"] / sums["count"]).item()


def test_a_block_that_scales_has_no_influence_and_one_that_turns_has() -> None:
    states = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    assert influence(states, 3 * states) == pytest.approx(0, abs=1e-6)
    assert influence(states, states.flip(-1)) == pytest.approx(1)
    assert influence(states, -states) == pytest.approx(2)


def test_a_state_of_zeros_has_no_influence_to_measure() -> None:
    before = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert influence(before, before.flip(-1)) == pytest.approx(1)
