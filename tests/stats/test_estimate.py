"""An estimate says what it is, and keeps to what values can reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexscope.stats import (
    Estimate,
    cliffs_delta,
    difference_interval,
    hedges_g,
    interval,
    mean_of,
)
from cortexscope.stats._interval import Statistic
from cortexscope.stats._limits import Bounds

_ends = st.floats(-5, 5)
_bound = st.none() | _ends


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Estimate(0.98, 0.973, 0.985, 168), "0.980 [0.973, 0.985], n = 168"),
        (Estimate(1.0, None, None, 6, reason="one line"), "1.000 (no interval: one line), n = 6"),
        (Estimate(None, None, None, 0, reason="not measured"), "– (not measured), n = 0"),
    ],
)
def test_it_is_said_with_its_interval_or_the_reason_why_there_is_none(
    found: Estimate, text: str
) -> None:
    assert f"{found:.3f}, n = {found.n}" == text
    assert str(found) == text.replace("0.980", "0.98").replace("1.000", "1")


def test_it_is_positive_where_the_whole_interval_is() -> None:
    ends = [(0.1, 2.0), (-2.0, -0.1), (-1.0, 1.0), (0.0, 1.0), (None, None)]
    found = [Estimate(0.5, low, high, 9).positive for low, high in ends]
    assert found == [True, False, None, None, None]


@given(_ends, _ends, _bound, _bound)
def test_within_bounds_no_end_is_out_of_reach(
    one: float, other: float, lowest: float | None, highest: float | None
) -> None:
    if lowest is not None and highest is not None and lowest > highest:
        lowest, highest = highest, lowest
    bounds: Bounds = (lowest, highest)
    wide = Estimate((one + other) / 2, min(one, other), max(one, other), 9, "by hand")
    found = wide.within(bounds)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.high
    assert (found.value, found.n, found.method) == (wide.value, 9, "by hand")
    assert found.within(bounds) == found
    inside = (lowest is None or lowest <= min(one, other)) and (
        highest is None or max(one, other) <= highest
    )
    assert not inside or found == wide


def test_what_has_no_interval_has_none_within_bounds() -> None:
    found = Estimate(2.0, None, None, 1, reason="one prompt")
    assert found.within((0.0, 1.0)) is found


def test_all_estimates_of_samples_have_a_value_and_count_independent_prompts() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=12), rng.normal(size=9)
    assert mean_of([*x, np.nan]).value == pytest.approx(x.mean())
    assert mean_of([*x, np.nan]).n == 12
    values: dict[Statistic, float] = {
        "mean": float(x.mean()),
        "median": float(np.median(x)),
        "trimmed mean": float(np.sort(x)[2:-2].mean()),
    }
    for statistic, value in values.items():
        found = interval(x, rng=rng, statistic=statistic)
        assert found.value == pytest.approx(value)
        assert found.n == 12
    assert interval(x, np.repeat(range(6), 2), rng=rng).n == 6
    apart, paired = difference_interval(x, y), difference_interval(x[:9], y, paired=True)
    assert apart.value == pytest.approx(x.mean() - y.mean())
    assert paired.value == pytest.approx((x[:9] - y).mean())
    assert apart.n == paired.n == 9
    for measure in (hedges_g, cliffs_delta):
        assert measure(x, y).n == measure(x[:9], y, paired=True).n == 9


def test_a_value_without_an_interval_is_still_told() -> None:
    rng = np.random.default_rng(0)
    for found, value in (
        (interval([2.0, 2.0, 2.0], rng=rng), 2.0),
        (interval([1.0, 2.0, 3.0], rng=rng, statistic="median"), 2.0),
        (difference_interval([1.0], [1.0, 2.0]), -0.5),
        (difference_interval([1.0, 1.0], [3.0, 3.0]), -2.0),
        (difference_interval([1.0, 1.0], [3.0, 4.0]), -2.5),
        (difference_interval([1.0, 2.0], [0.0, 1.0], paired=True), 1.0),
    ):
        assert (found.value, found.low) == (value, None)
        assert found.reason
    nothing = difference_interval([], [1.0, 2.0])
    assert (nothing.value, nothing.n) == (None, 0)
