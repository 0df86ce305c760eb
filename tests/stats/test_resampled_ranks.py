"""Rank correlations of resamples equal those of scipy on the rows drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from cortexscope.stats import resampled_rank_correlations


@pytest.mark.parametrize("tied", [False, True])
def test_they_are_spearmans_rho_of_the_units_drawn(tied: bool) -> None:
    values = np.random.default_rng(3).normal(size=(30, 4))
    values[:, 1] += values[:, 0]
    values = np.round(values) if tied else values
    found = resampled_rank_correlations(values, rng=np.random.default_rng(7), resamples=5)
    rng = np.random.default_rng(7)
    for own in found:
        wanted = spearmanr(values[rng.integers(30, size=30)]).statistic
        np.testing.assert_allclose(own, wanted, atol=1e-12)


def test_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(12, 3))
    whole = resampled_rank_correlations(values, rng=np.random.default_rng(1), resamples=50)
    monkeypatch.setattr("cortexscope.stats._resampled_ranks._TOGETHER", 100)
    parts = resampled_rank_correlations(values, rng=np.random.default_rng(1), resamples=50)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_a_quantity_that_does_not_vary_has_none() -> None:
    values = np.stack([np.ones(9), np.arange(9.0)], 1)
    found = resampled_rank_correlations(values, rng=np.random.default_rng(1), resamples=4)
    assert np.isnan(found[:, 0, 1]).all()
    np.testing.assert_allclose(found[:, 1, 1], 1)
