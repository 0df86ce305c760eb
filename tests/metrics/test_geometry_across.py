"""Cosines across prompts and the intrinsic dimension of a task agree with numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import inputs_for, row_of
from eager import eager, watch
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL
from reference import Outcome, same
from reference import Values as Outcomes

from cortexscope.measure import attach
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout, Seen, Values
from cortexscope.metrics.base.pooled import OverPromptsOfLayer
from cortexscope.metrics.base.states import State
from cortexscope.metrics.cosine import CosineAcross
from cortexscope.metrics.intrinsic_dimension import two_nearest, two_nearest_line
from cortexscope.records import Site
from cortexscope.testing import check_metric

METRICS = (
    "cosine_across",
    "cosine_across_rest",
    "intrinsic_dimension",
    "intrinsic_dimension_line",
)
LENGTHS = [12, 11, 9, 9, 7, 6, 5, 4, 3, 2, 2, 1]


def cosine_across(prompts: list[np.ndarray]) -> float:
    units = [states / np.linalg.norm(states, axis=1, keepdims=True) for states in prompts]
    pairs = [units[i] @ units[j].T for i in range(len(units)) for j in range(i) if units[i].size]
    return float(np.concatenate([pair.ravel() for pair in pairs]).mean())


def mean_states(prompts: list[np.ndarray]) -> np.ndarray:
    return np.stack([(states[1:] if len(states) > 1 else states).mean(0) for states in prompts])


def log_ratios(points: np.ndarray) -> list[float]:
    gaps = [sorted(np.linalg.norm(points - point, axis=1))[1:3] for point in points]
    return [math.log(far / near) for near, far in gaps if near]


def dimension(points: np.ndarray) -> float:
    logs = log_ratios(points)
    return (len(logs) - 1) / sum(logs)


def slope(points: np.ndarray) -> float:
    """Return the slope of numpy's least squares without a constant."""
    logs = np.sort(log_ratios(points))
    kept = math.floor(len(logs) * 0.9)
    heights = [-math.log(1 - i / len(logs)) for i in range(1, kept + 1)]
    return float(np.linalg.lstsq(logs[:kept, None], np.array(heights), rcond=None)[0][0])


def reference(family: str, left: bool) -> Outcomes:
    row = FAMILIES[family]
    twin = eager(tiny_model(family))
    batch = inputs_for(row, LENGTHS, left=left)
    read = [
        watch(twin, row, row_of(batch, number, padding=False)) for number in range(len(LENGTHS))
    ]
    found: Outcomes = {}
    for number, stack in enumerate(read[0]):
        for layer in range(len(stack.states)):
            prompts = [stacks[number].states[layer] for stacks in read]
            dimensions: Outcome = "fewer than 10 prompts that differ"
            slopes = dimensions
            points = mean_states(prompts)
            if len(np.unique(points, axis=0)) >= 10:
                dimensions, slopes = dimension(points), slope(points)
            for metric, value in {
                "cosine_across": cosine_across(prompts),
                "cosine_across_rest": cosine_across([states[1:] for states in prompts]),
                "intrinsic_dimension": dimensions,
                "intrinsic_dimension_line": slopes,
            }.items():
                found[metric, stack.name, layer, None, None] = value
    return found


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, left: bool) -> None:
    model = tiny_model(family)
    batch = inputs_for(FAMILIES[family], LENGTHS, left=left)
    with attach(model, metrics=METRICS) as probe, torch.no_grad():
        model(**batch)
    (found,) = outcomes(probe.frame()).values()
    wanted = reference(family, left)
    assert found.keys() == wanted.keys()
    # The states of a float32 pass decide how near the two nearest prompts are.
    wrong = {
        key: (found[key], value)
        for key, value in wanted.items()
        if not same(found[key], value, relative=1e-3, absolute=1e-6)
    }
    assert not wrong


def test_check_metric_finds_what_is_wrong_with_a_metric_of_tasks() -> None:
    class GivesEachPromptOne(CosineAcross):
        def compute(self, state: State, layout: Layout) -> Iterator[Values]:
            for found in super().compute(state, layout):
                assert found.values is not None
                yield replace(found, values=found.values.repeat(1, 3))

    class CountsBatches(CosineAcross):
        def update(self, state: State, site: Site, seen: Seen) -> State:
            after = super().update(state, site, seen)
            if site not in after:
                return after
            vector = after[site]["vector"]
            return {**after, site: {**after[site], "vector": vector - vector.mean(0)}}

    class IsOfPrompts(CosineAcross):
        spec = replace(CosineAcross.spec, replication="prompt")

    for made, wrong in (
        (GivesEachPromptOne, "a task has one value"),
        (CountsBatches, "batches joined differ from one"),
        (IsOfPrompts, "inherit from OverPrompts"),
    ):
        with pytest.raises(AssertionError, match=wrong):
            check_metric(made(MetricOptions()))


def gaussian(dimensions: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: (
        rng.standard_normal((2000, dimensions)) @ rng.standard_normal((dimensions, 20))
    )


def swiss_roll(rng: np.random.Generator) -> np.ndarray:
    turn = 1.5 * np.pi * (1 + 2 * rng.random(2000))
    return np.stack([turn * np.cos(turn), 21 * rng.random(2000), turn * np.sin(turn)], 1)


@pytest.mark.parametrize(
    ("made", "dimensions", "tolerance"),
    [(gaussian(1), 1, 0.06), (gaussian(2), 2, 0.1), (gaussian(5), 5, 0.4), (swiss_roll, 2, 0.1)],
    ids=["line", "plane", "five", "swiss roll"],
)
def test_the_dimension_of_known_shapes_is_found(
    made: Callable[[np.random.Generator], np.ndarray], dimensions: int, tolerance: float
) -> None:
    points = torch.tensor(made(np.random.default_rng(1)))
    assert two_nearest(points) == pytest.approx(dimensions, abs=tolerance)
    assert two_nearest(10 * points) == pytest.approx(two_nearest(points), rel=1e-9)
    assert two_nearest_line(points) == pytest.approx(dimensions, abs=1.5 * tolerance)


@pytest.mark.parametrize("count", [10, 11, 42, 300])
def test_the_line_is_that_of_least_squares(count: int) -> None:
    points = np.random.default_rng(count).standard_normal((count, 4))
    assert two_nearest_line(torch.tensor(points)) == pytest.approx(slope(points), rel=1e-9)
    # What lies farthest has no say.
    ratios = np.sort(log_ratios(points))
    assert ratios[-1] > ratios[math.floor(0.9 * count) - 1]


def test_a_shift_changes_no_dimension() -> None:
    points = torch.tensor(gaussian(5)(np.random.default_rng(1)))
    assert two_nearest(points + 100) == pytest.approx(two_nearest(points), rel=1e-9)


def test_points_that_are_there_twice_count_for_none() -> None:
    points = torch.tensor(np.random.default_rng(2).standard_normal((300, 3)))
    doubled = torch.cat([points, points[:40] * (1 + 1e-7)])
    logs = []
    for point in points[40:]:
        near, far = torch.linalg.vector_norm(doubled - point, dim=1).sort().values[1:3]
        logs.append(math.log(far / near))
    assert two_nearest(doubled) == pytest.approx((len(logs) - 1) / sum(logs), rel=1e-6)
    assert math.isnan(two_nearest(points[:5].repeat(4, 1)))


def test_of_many_points_an_even_part_is_taken() -> None:
    points = torch.tensor(np.random.default_rng(3).standard_normal((4096, 2)))
    counts = torch.ones(4096, dtype=torch.float64)
    by_sum, by_line = make_metrics(METRICS[2:], MetricOptions())
    assert isinstance(by_sum, OverPromptsOfLayer)
    assert isinstance(by_line, OverPromptsOfLayer)
    assert by_sum.value(points, counts) == two_nearest(points[1::2])
    assert by_line.value(points, counts) == two_nearest_line(points[1::2])


def test_points_that_are_no_numbers_are_said_to_be_none() -> None:
    points = torch.ones(20, 2, dtype=torch.float64)
    points[3, 0] = torch.nan
    assert math.isinf(two_nearest(points))
    assert math.isinf(two_nearest_line(points))
