"""The mean over prompts has the interval of `interval`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from cortexscope.stats import interval, mean_of


def test_the_interval_of_even_values_is_scipys() -> None:
    half = np.random.default_rng(0).normal(3, 2, 6)
    values = np.concatenate([half, 6 - half])
    found = mean_of(values)
    low, high = t.interval(0.95, 11, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(12))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert found.n == 12


def test_it_is_the_interval_of_all_other_tables() -> None:
    values = np.random.default_rng(1).exponential(size=15)
    found = mean_of(np.append(values, np.nan), bounds=(0.0, None))
    own = interval(values, rng=np.random.default_rng(0), bounds=(0.0, None))
    assert (found.low, found.high, found.caution) == (own.low, own.high, own.caution)


def test_what_is_undefined_has_a_reason() -> None:
    nothing, one = mean_of(np.array([np.nan])), mean_of(np.array([2.0, np.nan]))
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)
    assert (one.value, one.low, one.n) == (2.0, None, 1)
    assert nothing.reason
    assert one.reason
