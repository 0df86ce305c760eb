"""Cosines, spectra and curvature of a prompt's states agree with numpy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from families import tiny_model
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Outcome, Values

from cortexscope.measure import attach
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.models import load_model
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Tokens

COSINES = ("cosine_within", "cosine_within_rest")
SPECTRA = (
    "participation_ratio",
    "top_component_share",
    "effective_rank",
    "rankme",
    "matrix_entropy",
)
METRICS = (*COSINES, *SPECTRA, "curvature")
REASONS = {
    "cosine_within": "fewer than two tokens whose state is not zero",
    "cosine_within_rest": "fewer than two tokens after the first whose state is not zero",
    "participation_ratio": "fewer than three tokens, or all have one state",
    "top_component_share": "fewer than three tokens, or all have one state",
    "matrix_entropy": "fewer than three tokens, or all have one state",
    "effective_rank": "fewer than two tokens, or all states are zero",
    "rankme": "fewer than two tokens, or all states are zero",
    "curvature": "fewer than three tokens, or no two successive steps",
}


def reference(case: Case) -> Values:
    found: Values = {}
    for stack in case.stacks:
        for layer, states in enumerate(stack.states):
            sample = states[case.places(len(states))]
            values = {
                "cosine_within": cosine(states),
                "cosine_within_rest": cosine(states[1:]),
                **spectra(sample),
                "curvature": curvature(states),
            }
            for metric, value in values.items():
                outcome: Outcome = REASONS[metric] if math.isnan(value) else value
                found[metric, stack.name, layer, None, None] = outcome
    return found


def cosine(states: np.ndarray) -> float:
    if len(states) < 2:
        return math.nan
    units = states / np.linalg.norm(states, axis=1, keepdims=True)
    return float(np.mean([units[i] @ units[j] for i in range(len(units)) for j in range(i)]))


def spectra(states: np.ndarray) -> dict[str, float]:
    count = len(states)
    if count < 2:
        return dict.fromkeys(SPECTRA, math.nan)
    shares = np.linalg.svd(states, compute_uv=False)
    shares = shares / shares.sum()
    found = {
        "effective_rank": math.exp(entropy(shares)),
        "rankme": math.exp(entropy(shares + 1e-7)),
    }
    if count < 3:
        return dict.fromkeys(SPECTRA, math.nan) | found
    centred = states - states.mean(0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    density = units @ units.T / count
    return found | {
        "participation_ratio": float(variances.sum() ** 2 / (variances**2).sum()),
        "top_component_share": float(variances.max() / variances.sum()),
        "matrix_entropy": entropy(np.linalg.eigvalsh(density).clip(0)) / math.log(count),
    }


def entropy(shares: np.ndarray) -> float:
    return -float(sum(p * math.log(p) for p in shares if p > 0))


def curvature(states: np.ndarray) -> float:
    steps = np.diff(states, axis=0)
    angles = [
        math.acos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
        for a, b in itertools.pairwise(steps)
        if np.linalg.norm(a) and np.linalg.norm(b)
    ]
    return float(np.mean(angles)) if angles else math.nan


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_they_equal_the_plain_computation_on_real_weights(name: str) -> None:
    words = [f"word{number} and" for number in range(60)]
    texts = [" ".join(words[:count]) for count in (1, 2, 24, 60)]
    assert agree_on(load_model(name), texts, METRICS, reference, sample=32) > 0


def seen(rows: np.ndarray | torch.Tensor) -> HiddenStates:
    states = torch.as_tensor(rows)[None]
    return HiddenStates(states, Tokens(torch.ones(states.shape[:2], dtype=torch.bool)))


def value(metric: str, rows: np.ndarray | torch.Tensor) -> float:
    (made,) = make_metrics([metric], MetricOptions())
    sums = made.update({}, Site("decoder", 0), seen(rows))[Site("decoder", 0)]
    assert sums["count"].item() > 0
    return (sums["total"] / sums["count"]).item()


RANDOM = np.random.default_rng(5)
CLOUD = RANDOM.standard_normal((40, 12))


@pytest.mark.parametrize("metric", METRICS)
def test_a_scale_changes_nothing(metric: str) -> None:
    assert value(metric, CLOUD * 1000) == pytest.approx(value(metric, CLOUD), rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_a_rotation_changes_nothing(metric: str) -> None:
    turned = CLOUD @ np.linalg.qr(RANDOM.standard_normal((12, 12)))[0]
    assert value(metric, turned) == pytest.approx(value(metric, CLOUD), rel=1e-9)


@pytest.mark.parametrize(
    "metric", ["participation_ratio", "top_component_share", "matrix_entropy", "curvature"]
)
def test_a_shift_changes_nothing(metric: str) -> None:
    assert value(metric, CLOUD + 100) == pytest.approx(value(metric, CLOUD), rel=1e-9)


def test_even_axes_count_as_directions() -> None:
    cross = np.concatenate([np.eye(6), -np.eye(6)])
    assert value("participation_ratio", cross) == pytest.approx(6)
    assert value("top_component_share", cross) == pytest.approx(1 / 6)
    assert value("effective_rank", cross) == pytest.approx(6)
    assert value("rankme", cross) == pytest.approx(6, abs=1e-4)
    assert value("matrix_entropy", cross) == pytest.approx(math.log(6) / math.log(12))


def test_an_isotropic_gaussian_fills_all_its_axes() -> None:
    many = RANDOM.standard_normal((4000, 10))
    # The ratio of a sample of n points in d axes is d n / (n + d) or so.
    assert value("participation_ratio", many) == pytest.approx(10, rel=0.01)


def test_states_on_a_line_have_one_direction() -> None:
    line = np.outer(np.arange(1.0, 9), CLOUD[0])
    assert value("participation_ratio", line) == pytest.approx(1)
    assert value("top_component_share", line) == pytest.approx(1)
    assert value("effective_rank", line) == pytest.approx(1, abs=1e-5)
    assert value("matrix_entropy", line) == pytest.approx(0, abs=1e-9)
    assert value("cosine_within", line) == pytest.approx(1)
    assert value("curvature", line) == pytest.approx(0, abs=1e-6)


def test_a_path_back_and_forth_turns_by_pi_and_a_square_by_half_of_it() -> None:
    there = np.array([CLOUD[0], CLOUD[1]] * 4)
    assert value("curvature", there) == pytest.approx(math.pi)
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    assert value("curvature", square) == pytest.approx(math.pi / 2)


def test_an_angle_near_zero_is_not_lost_in_float32() -> None:
    path = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 1e-4]])
    assert value("curvature", path) == pytest.approx(1e-4, rel=1e-3)


def test_the_cosine_is_exact_where_one_feature_is_huge() -> None:
    states = CLOUD.copy()
    states[0, 3] = 5000
    single = torch.tensor(states, dtype=torch.float32)
    for metric in COSINES:
        assert value(metric, single) == pytest.approx(value(metric, states), abs=1e-6)
    for metric in SPECTRA:
        assert value(metric, single) == pytest.approx(value(metric, states), rel=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_bfloat16_states_are_measured_as_they_are(metric: str) -> None:
    rounded = torch.tensor(CLOUD, dtype=torch.bfloat16)
    assert value(metric, rounded) == pytest.approx(value(metric, rounded.double()), rel=1e-5)


def test_a_model_in_bfloat16_stays_near_its_float64_twin() -> None:
    model = tiny_model("llama")
    ids = torch.arange(3, 40)[None]
    frames = []
    for dtype in (torch.float64, torch.bfloat16):
        with attach(model.to(dtype), metrics=METRICS, sample_tokens=None) as probe:
            model(input_ids=ids)
        frames.append(probe.frame())
    # Weights and states have three digits in bfloat16.
    np.testing.assert_allclose(frames[1]["value"], frames[0]["value"], rtol=0.02, atol=0.005)


def test_a_state_of_zeros_has_no_direction_and_counts_for_none() -> None:
    rows = np.array([[1.0, 0], [0, 0], [1, 1]])
    assert value("cosine_within", rows) == pytest.approx(math.sqrt(0.5))
    (metric,) = make_metrics(["cosine_within"], MetricOptions())
    sums = metric.update({}, Site("decoder", 0), seen(np.zeros((4, 2))))
    assert sums[Site("decoder", 0)]["count"].item() == 0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_state_that_is_no_number_is_said_to_be_none(metric: str, wrong: float) -> None:
    states = torch.tensor(CLOUD)
    states[20, 4] = wrong
    (made,) = make_metrics([metric], MetricOptions())
    sums = made.update({}, Site("decoder", 0), seen(states))[Site("decoder", 0)]
    assert sums["count"].item() > 0
    assert not sums["total"].isfinite()
