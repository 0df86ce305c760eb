"""Adjusted p-values are those of statsmodels and scipy, and keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from cortexscope.errors import UsageError
from cortexscope.stats._multiple import benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


# statsmodels takes 60 ms for one family.
@settings(max_examples=6)
@given(p_values)
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(p_values)
def test_benjamini_and_hochberg_is_that_of_scipy_and_statsmodels(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


@given(p_values)
def test_adjusted_values_are_no_smaller_and_in_the_same_order(p: list[float]) -> None:
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(p)
        assert (adjusted >= np.array(p) - 1e-12).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()


def test_an_unknown_p_value_is_no_test() -> None:
    for adjust in (holm, benjamini_hochberg):
        found = adjust([0.01, np.nan, 0.04])
        assert np.isnan(found[1])
        assert found[[0, 2]] == pytest.approx(adjust([0.01, 0.04]))
        assert len(adjust([])) == 0


def test_holm_keeps_the_family_wise_error_and_the_plain_tests_do_not() -> None:
    rng = np.random.default_rng(0)
    # Twelve tests that share half of what they are made of.
    z = np.sqrt(0.5) * rng.normal(size=(4000, 12)) + np.sqrt(0.5) * rng.normal(size=(4000, 1))
    p = 2 * stats.norm.sf(np.abs(z))
    erring = np.mean([holm(row).min() <= 0.05 for row in p])
    assert erring < 0.06
    assert np.mean(p.min(axis=1) <= 0.05) > 0.2


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_what_is_no_p_value_is_named(wrong: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        holm([0.5, wrong])
