"""Effect sizes are those of their definitions, and their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from cortexscope.errors import UsageError
from cortexscope.stats._effect_sizes import cliffs_delta, hedges_g, standardised
from cortexscope.stats._estimate import Estimate


def test_hedges_g_is_t_times_its_factors() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 2, 14), rng.normal(0, 2, 11)
    df = 23
    factor = special.gamma(df / 2) / special.gamma((df - 1) / 2) / np.sqrt(df / 2)
    t = stats.ttest_ind(x, y).statistic
    assert hedges_g(x, y).value == pytest.approx(t * np.sqrt(1 / 14 + 1 / 11) * factor)
    factor = special.gamma(5) / special.gamma(4.5) / np.sqrt(5)
    t = stats.ttest_rel(x[:11], y).statistic
    assert hedges_g(x[:11], y, paired=True).value == pytest.approx(t / np.sqrt(11) * factor)


def test_the_ends_of_g_are_where_t_has_a_tail_of_2_5_percent() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(1, 1, 12), rng.normal(0, 1, 12)
    found = hedges_g(x, y)
    assert found.low is not None
    assert found.high is not None
    t = stats.ttest_ind(x, y).statistic
    assert stats.nct.sf(t, 22, found.low * np.sqrt(6)) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, 22, found.high * np.sqrt(6)) == pytest.approx(0.025, abs=1e-6)


def test_cliffs_delta_counts_pairs_one_by_one() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 5, 9).astype(float), rng.integers(0, 4, 7).astype(float)
    larger = sum(a > b for a in x for b in y)
    smaller = sum(a < b for a in x for b in y)
    assert cliffs_delta(x, y).value == pytest.approx((larger - smaller) / 63)
    u = stats.mannwhitneyu(x, y).statistic
    assert cliffs_delta(x, y).value == pytest.approx(2 * u / 63 - 1)


def test_the_paired_interval_is_wilsons() -> None:
    x, y = np.array([1.0, 2, 3, 4, 5, 6, 7, 8]), np.array([0.0, 1, 2, 3, 4, 5, 8, 9])
    share = stats.binomtest(6, 8).proportion_ci(method="wilson")
    found = cliffs_delta(x, y, paired=True)
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.5, 2 * share.low - 1, 2 * share.high - 1)
    )


@given(
    st.lists(st.integers(-5, 5), min_size=3, max_size=12),
    st.lists(st.integers(-5, 5), min_size=3, max_size=12),
)
def test_swapping_the_samples_turns_the_sign(x: list[int], y: list[int]) -> None:
    for measure in (hedges_g, cliffs_delta):
        there, back = measure(x, y), measure(y, x)
        assert (there.value is None) == (back.value is None)
        if there.value is not None and back.value is not None:
            assert there.value == pytest.approx(-back.value, abs=1e-9)
        if there.low is not None and there.value is not None:
            assert back.high == pytest.approx(-there.low, abs=1e-6)
            assert there.high is not None
            assert there.low - 1e-9 <= there.value <= there.high + 1e-9


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2, 3, 4], [9, 10, 11, 12]), ([1e6, 1e6 + 1, 0], [5, 5, 5])]
)
def test_the_interval_of_delta_stays_within_its_bounds(x: list[float], y: list[float]) -> None:
    found = cliffs_delta(x, y)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low < found.high <= 1


def test_intervals_of_effect_sizes_hold_the_truth() -> None:
    rng = np.random.default_rng(3)
    delta = 2 * stats.norm.cdf(0.8 / np.sqrt(2)) - 1
    held = np.zeros(3)
    for _ in range(200):
        x, y = rng.normal(0.8, 1, 14), rng.normal(0, 1, 14)
        for place, (found, truth) in enumerate(
            [
                (hedges_g(x, y), 0.8),
                (cliffs_delta(x, y), delta),
                (hedges_g(x, np.zeros(14), paired=True), 0.8),
            ]
        ):
            assert found.low is not None
            assert found.high is not None
            held[place] += found.low <= truth <= found.high
    assert (held / 200 >= 0.91).all(), held / 200
    assert (held / 200 <= 0.985).all(), held / 200


def test_a_huge_effect_still_has_an_interval() -> None:
    x = np.random.default_rng(4).normal(size=30)
    found = hedges_g(x + 1000, x[::-1])
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high
    assert np.isfinite(found.high)


def test_what_is_undefined_has_a_reason() -> None:
    for found in (
        hedges_g([1], [2]),
        hedges_g([1, 1, 1], [2, 2, 2]),
        hedges_g([1, 2], [0, 1], paired=True),
        cliffs_delta([1], [2, 3]),
        hedges_g([], []),
        hedges_g([], [], paired=True),
        cliffs_delta([], []),
    ):
        assert isinstance(found, Estimate)
        assert found.value is None
        assert found.low is None
        assert found.reason
    equal = cliffs_delta([1, 1], [1, 1])
    assert (equal.value, equal.low) == (0.0, None)
    assert equal.reason


def test_pairs_with_an_unknown_value_are_left_out() -> None:
    found = hedges_g([1, 2, 4, np.nan], [1, 1, 1, 5], paired=True)
    assert found == hedges_g([1, 2, 4], [1, 1, 1], paired=True)


def test_samples_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="equal length"):
        hedges_g([1, 2], [1, 2, 3], paired=True)


def test_a_standardised_difference_is_that_of_two_samples() -> None:
    x, y = np.array([1.0, 3, 5, 8]), np.array([0.0, 2, 3])
    spread = np.sqrt((3 * x.var(ddof=1) + 2 * y.var(ddof=1)) / 5)
    direct = standardised((x.mean() - y.mean()) / spread, 12 / 7, 5, 3, method="g")
    assert direct.value == pytest.approx(hedges_g(x, y).value)
    assert direct.high == pytest.approx(hedges_g(x, y).high)
