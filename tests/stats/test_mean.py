"""The mean over prompts and its interval are Student's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from cortexscope.stats import mean_of


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(0).normal(3, 2, 12)
    found = mean_of(values)
    low, high = t.interval(0.95, 11, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(12))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert found.n == 12


def test_what_is_undefined_has_a_reason() -> None:
    nothing, one = mean_of(np.array([np.nan])), mean_of(np.array([2.0, np.nan]))
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)
    assert (one.value, one.low, one.n) == (2.0, None, 1)
    assert nothing.reason
    assert one.reason
