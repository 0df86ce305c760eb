from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cortexscope.errors import UsageError
from cortexscope.stats import Estimate, pearson

_numbers = st.floats(-1e3, 1e3, allow_nan=False).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(_numbers, _numbers), min_size=4, max_size=40))
def test_correlation_and_interval_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs).T
    found = pearson(x, y)
    assert found.n == len(pairs)
    if found.value is None or found.low is None or found.high is None:
        assert found.reason
        return
    reference = stats.pearsonr(x, y)
    interval = reference.confidence_interval(0.95)
    assert found.value == pytest.approx(reference.statistic, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-5)
    assert -1 <= found.low <= found.value <= found.high <= 1


@given(st.lists(st.tuples(_numbers, _numbers), min_size=4, max_size=20))
def test_correlation_does_not_change_when_the_two_are_swapped(
    pairs: list[tuple[float, float]],
) -> None:
    x, y = np.array(pairs).T
    there, back = pearson(x, y), pearson(y, x)
    assert (there.value is None) == (back.value is None)
    if there.value is not None:
        assert there.value == pytest.approx(back.value, abs=1e-12)


def test_confidence_widens_the_interval() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 30))
    narrow, wide = pearson(x, y, confidence=0.5), pearson(x, y, confidence=0.99)
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.low < narrow.low


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([], [], "fewer than 4 values"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], "fewer than 4 values"),
        ([7.0] * 5, [1.0, 2.0, 3.0, 4.0, 6.0], "length is the same throughout"),
        ([1.0, 2.0, 3.0, 4.0, 6.0], [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3], "y is the same throughout"),
    ],
)
def test_undefined_correlation_has_a_reason_and_no_number(
    x: list[float], y: list[float], reason: str
) -> None:
    found = pearson(x, y, names=("length", "y"))
    assert found == Estimate(None, None, None, len(x), found.method, reason)
    assert reason in str(found)


def test_values_that_are_not_finite_are_left_out() -> None:
    nan, infinite = float("nan"), float("inf")
    found = pearson([1, 2, 3, 4, 5, nan, 7], [2, 1, 4, 3, 5, 1, infinite])
    assert found == pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])
    assert found.n == 5


@pytest.mark.parametrize(("slope", "r"), [(2.0, 1.0), (-3.0, -1.0)])
def test_points_on_a_line_have_no_interval(slope: float, r: float) -> None:
    x = np.arange(6.0)
    found = pearson(x, slope * x + 1)
    assert (found.value, found.low, found.high) == (r, None, None)
    assert "one line" in str(found)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(UsageError, match="equal length"):
        pearson([1, 2, 3], [1, 2])
    with pytest.raises(UsageError, match="confidence"):
        pearson([1, 2, 3, 4], [1, 2, 4, 3], confidence=95.0)
