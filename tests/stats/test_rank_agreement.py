"""Rank correlations over parts: scipy's, their intervals, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cortexscope.stats import rank_agreement


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_rho_is_that_of_the_means_over_clusters() -> None:
    draw = rng(1)
    one, two = draw.normal(size=(2, 30, 12)) + draw.normal(size=12)
    clusters = np.repeat(np.arange(15), 2).astype(str)
    found = rank_agreement(one, two, clusters, rng=rng(), resamples=500)
    wanted = stats.spearmanr(one.mean(0), two.mean(0)).statistic
    assert found.rho.value == pytest.approx(wanted)
    assert found.rho.low is not None
    assert found.rho.high is not None
    assert found.rho.low < wanted < found.rho.high
    assert (found.rho.n, found.prompts) == (12, 15)


def test_ends_are_quantiles_of_resampled_means() -> None:
    draw = rng(2)
    one, two = draw.normal(size=(2, 20, 8))
    found = rank_agreement(one, two, rng=rng(3), resamples=400)
    counts = rng(3).multinomial(20, np.full(20, 1 / 20), size=400)
    rhos = [stats.spearmanr(row @ one, row @ two).statistic for row in counts]
    low, high = np.quantile(rhos, [0.025, 0.975])
    assert found.rho.low == pytest.approx(low)
    assert found.rho.high == pytest.approx(high)


def test_the_interval_holds_the_rho_of_many_prompts() -> None:
    held = 0
    for seed in range(100):
        draw = rng(seed)
        levels = draw.normal(size=(2, 15))
        one, two = levels[:, None] + 0.5 * draw.normal(size=(2, 40, 15))
        found = rank_agreement(one, two, rng=rng(seed), resamples=200)
        truth = stats.spearmanr(*levels).statistic
        assert found.rho.low is not None
        assert found.rho.high is not None
        held += found.rho.low - 0.02 <= truth <= found.rho.high + 0.02
    assert held >= 85


def test_shuffles_are_those_of_the_keys() -> None:
    draw = rng(4)
    one, two, keys = draw.normal(size=9), draw.normal(size=9), draw.random((50, 9))
    found = rank_agreement(one, two, rng=rng(), resamples=1, keys=keys)
    wanted = [stats.spearmanr(one, two[np.argsort(row)]).statistic for row in keys]
    np.testing.assert_allclose(found.permuted[1:], np.abs(wanted), atol=1e-12)
    assert found.permuted[0] == pytest.approx(abs(stats.spearmanr(one, two).statistic))


def test_parts_without_values_are_left_out() -> None:
    draw = rng(5)
    one, two = draw.normal(size=(2, 10, 8))
    one[:, 3] = np.nan
    one[0, 4] = np.nan
    found = rank_agreement(one, two, rng=rng(), resamples=20)
    keep = [0, 1, 2, 4, 5, 6, 7]
    wanted = stats.spearmanr(np.nanmean(one[:, keep], 0), two[:, keep].mean(0)).statistic
    assert found.rho.value == pytest.approx(wanted)
    assert found.rho.n == 7


def test_what_cannot_be_told_has_a_reason() -> None:
    few = rank_agreement(np.arange(3.0), np.arange(3.0), rng=rng())
    assert (few.rho.value, few.rho.reason) == (None, "fewer than 4 parts have both values")
    flat = rank_agreement(np.ones((5, 6)), rng().normal(size=(5, 6)), rng=rng())
    assert (flat.rho.value, flat.rho.reason) == (None, "all parts have the same value")
    alone = rank_agreement(np.arange(5.0), np.arange(5.0), rng=rng())
    assert alone.rho.value == pytest.approx(1.0)
    assert alone.rho.low is None
    assert alone.rho.reason == "there is one prompt"
