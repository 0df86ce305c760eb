"""Shards merge exactly: for every metric, whatever the batches, their order and their padding."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortexscope.metrics import METRICS, MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Metric, Values
from cortexscope.metrics.base.states import State, concatenate, merge, select
from cortexscope.testing._metric import _layout, _measure

LENGTHS = (12, 7, 1, 9, 2)
"""Tokens of the prompts that everything is tried on; prompt number i is always the same."""


@pytest.fixture(params=METRICS.names())
def metric(request: pytest.FixtureRequest) -> Metric:
    (made,) = make_metrics([request.param], MetricOptions())
    return made


def values(metric: Metric, state: State) -> list[Values]:
    return list(metric.compute(state, _layout()))


def assert_same(metric: Metric, left: State, right: State) -> None:
    for one, other in zip(values(metric, left), values(metric, right), strict=True):
        assert one.sites == other.sites
        assert one.index == other.index
        assert one.values is not None
        assert other.values is not None
        torch.testing.assert_close(one.values, other.values, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.slow
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.sets(st.integers(1, len(LENGTHS) - 1)),
    padding=st.lists(st.integers(0, 6), min_size=len(LENGTHS), max_size=len(LENGTHS)),
)
def test_batches_joined_in_order_give_what_one_batch_gives(
    metric: Metric, cuts: set[int], padding: list[int]
) -> None:
    # Generated sequences all have one length, and no padding.
    alike = metric.spec.replication == "sequence"
    prompts = (max(LENGTHS),) * len(LENGTHS) if alike else LENGTHS
    whole = _measure(metric, list(prompts), longest=max(LENGTHS))
    edges = [0, *sorted(cuts), len(LENGTHS)]
    joined: State = {}
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        lengths = list(prompts[start:stop])
        longest = max(lengths) + (0 if alike else padding[number])
        joined = concatenate(joined, _measure(metric, lengths, longest=longest, skip=start))
    assert_same(metric, whole, joined)


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(len(LENGTHS))))
def test_a_shuffled_state_gives_the_values_shuffled(metric: Metric, order: list[int]) -> None:
    whole = _measure(metric, list(LENGTHS), longest=max(LENGTHS))
    for one, other in zip(values(metric, whole), values(metric, select(whole, order)), strict=True):
        assert one.values is not None
        assert other.values is not None
        expected = one.values if metric.spec.replication == "task" else one.values[:, order]
        torch.testing.assert_close(other.values, expected, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_nothing_merged_with_anything_is_that(metric: Metric) -> None:
    whole = _measure(metric, list(LENGTHS), longest=max(LENGTHS))
    assert_same(metric, merge(whole, {}), whole)
    assert_same(metric, concatenate({}, whole), whole)
