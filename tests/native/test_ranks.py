"""Ranks of resamples by compiled code, beside scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from cortexscope import native
from cortexscope.stats import resampled_rank_correlations

pytestmark = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_ranks_are_those_of_the_drawn_units(kind: type[np.integer], digits: int) -> None:
    rng = np.random.default_rng(digits)
    units = 41
    column = rng.normal(size=units).round(digits)
    drawn = rng.integers(units, size=(6, units))
    counts = np.stack([np.bincount(own, minlength=units) for own in drawn]).astype(kind)
    values, group = np.unique(column, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    # As one of several quantities, whose places lie between.
    weighted = np.full((6, 3, units), np.nan)
    assert native.weigh_ranks(counts, order, starts, weighted[:, 1])
    for own, count, found in zip(drawn, counts, weighted[:, 1], strict=True):
        ranks = rankdata(column[own])
        for unit in range(units):
            wanted = 0.0
            if count[unit]:
                wanted = 2 * ranks[own == unit][0] - (units + 1)
            assert found[unit] == pytest.approx(wanted * float(count[unit]) ** 0.5, abs=1e-12)
    assert np.isnan(weighted[:, [0, 2]]).all()


def test_other_counts_are_left_to_numpy() -> None:
    places = np.arange(4)
    assert not native.weigh_ranks(np.ones((2, 4)), places, places, np.empty((2, 4)))


def test_rank_correlations_are_the_same_to_the_last_bit_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = np.random.default_rng(0).normal(size=(90, 3)).round(1)
    found = resampled_rank_correlations(table, rng=np.random.default_rng(1), resamples=40)
    monkeypatch.setattr("cortexscope.stats._resampled_ranks.native.weigh_ranks", lambda *_: False)
    again = resampled_rank_correlations(table, rng=np.random.default_rng(1), resamples=40)
    np.testing.assert_array_equal(found, again)
