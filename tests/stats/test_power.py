"""The power that is stated is that of statsmodels, and what simulations find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from cortexscope.errors import UsageError
from cortexscope.stats._max_t import max_t_paired, max_t_unpaired
from cortexscope.stats._noncentral import noncentral_t
from cortexscope.stats._power import power_of, prompts_needed


@pytest.mark.parametrize("n", [2, 3, 10, 42, 200])
@pytest.mark.parametrize("effect", [-0.5, 0.1, 0.8])
def test_power_is_that_of_statsmodels(n: int, effect: float) -> None:
    paired = TTestPower().power(effect, n, 0.05)
    assert power_of(n, effect, paired=True) == pytest.approx(paired, abs=1e-6)
    unpaired = TTestIndPower().power(effect, n, 0.05)
    assert power_of(n, effect, paired=False) == pytest.approx(unpaired, abs=1e-6)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("effect", "power"), [(0.2, 0.8), (0.8, 0.8), (0.8, 0.95), (3.0, 0.9)])
def test_the_prompts_needed_are_those_of_statsmodels(
    effect: float, power: float, paired: bool
) -> None:
    solver = TTestPower() if paired else TTestIndPower()
    key = "nobs" if paired else "nobs1"
    expected = solver.solve_power(**{key: None}, effect_size=effect, alpha=0.05, power=power)
    found = prompts_needed(effect, power=power, paired=paired)
    assert found == max(int(np.ceil(expected)), 2)


@given(st.floats(0.05, 4), st.floats(0.1, 0.99), st.booleans())
def test_the_prompts_needed_are_the_fewest_that_suffice(
    effect: float, power: float, paired: bool
) -> None:
    n = prompts_needed(effect, power=power, paired=paired)
    assert power_of(n, effect, paired=paired) >= power
    assert n == 2 or power_of(n - 1, effect, paired=paired) < power


def test_no_effect_is_found_as_often_as_alpha() -> None:
    assert power_of(20, 0.0, alpha=0.03, paired=True) == pytest.approx(0.03)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("n", [10, 26])
def test_a_planted_effect_is_found_with_the_power_that_is_stated(n: int, paired: bool) -> None:
    rng = np.random.default_rng(n)
    # Each position is a simulation; they share their exchanges.
    one, two = rng.normal(0.8, 1, (n, 1000)), rng.normal(size=(n, 1000))
    test = max_t_paired(one, rng=rng) if paired else max_t_unpaired(one, two, rng=rng)
    found = np.mean(test.p <= 0.05)
    assert found == pytest.approx(power_of(n, 0.8, paired=paired), abs=0.05)


def test_what_cannot_be_answered_is_named() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        power_of(1, 0.8, paired=True)
    with pytest.raises(UsageError, match="alpha"):
        power_of(10, 0.8, alpha=5.0, paired=True)
    with pytest.raises(UsageError, match="effect"):
        power_of(10, np.nan, paired=True)
    with pytest.raises(UsageError, match="power"):
        prompts_needed(0.8, power=0.01, paired=True)
    with pytest.raises(UsageError, match="10\\^9"):
        prompts_needed(0.0, paired=True)


def test_the_noncentral_t_distribution_is_that_of_scipy_and_holds_far_out() -> None:
    for degrees in (1.0, 2.0, 5.0, 26.0, 400.0, 1e6):
        for t in (-3.0, 0.0, 0.4, 2.0, 12.0):
            for shift in (-2.0, 0.0, 1.5, 8.0):
                expected = stats.nct.cdf(t, degrees, shift)
                if np.isfinite(expected):
                    found = noncentral_t(t, degrees, shift)
                    assert found == pytest.approx(expected, abs=1e-9), (t, degrees, shift)
    assert noncentral_t(-2.0, 41.0, 12.0) == pytest.approx(0.0, abs=1e-15)
    assert noncentral_t(2.0, 41.0, -12.0) == pytest.approx(1.0)
    assert noncentral_t(1e5, 10.0, 1e3) == pytest.approx(1.0)
