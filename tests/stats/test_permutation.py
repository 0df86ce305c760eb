"""Shuffles that are remembered are permutations within strata, each as likely as any other."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from cortexscope.stats import Remembered
from cortexscope.stats._permutation import permuted_sums


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_units_are_exchanged_within_their_stratum(numbers: list[int]) -> None:
    strata = np.array(numbers)
    orders = Remembered(0)(strata, 30)
    assert (np.sort(orders, axis=1) == np.arange(len(strata))).all()
    assert (strata[orders] == strata).all()


@pytest.mark.parametrize("units", [1, 17, 33, 100])
def test_every_unit_comes_to_every_place_equally_often(units: int) -> None:
    orders = Remembered(1)(np.zeros(units, dtype=np.intp), 4000)
    for place in {0, units // 2, units - 1}:
        counts = np.bincount(orders[:, place], minlength=units)
        assert units == 1 or chisquare(counts).pvalue > 1e-4


def test_strata_are_shuffled_independently_of_each_other() -> None:
    strata = np.array([0, 1, 0, 1, 0, 1])
    orders = Remembered(2)(strata, 7200)
    counts = Counter(map(tuple, orders.tolist()))
    every = [
        tuple(int(n) for pair in zip(one, two, strict=True) for n in pair)
        for one in permutations((0, 2, 4))
        for two in permutations((1, 3, 5))
    ]
    assert counts.keys() == set(every)
    assert chisquare([counts[order] for order in every]).pvalue > 1e-4


def test_nothing_else_that_is_asked_for_changes_a_shuffle(monkeypatch: pytest.MonkeyPatch) -> None:
    strata = np.repeat([0, 1], [40, 25])
    alone = Remembered(3)(strata, 50)
    other = Remembered(3)
    other(np.zeros(65, dtype=np.intp), 50)
    other(strata[::-1].copy(), 50)
    np.testing.assert_array_equal(other(strata, 50), alone)
    assert other(strata, 50) is other(strata, 50)
    # Nor what was forgotten to make room for others.
    monkeypatch.setattr(Remembered, "_MOST", 1)
    other(np.zeros(30, dtype=np.intp), 50)
    other(np.zeros(31, dtype=np.intp), 50)
    np.testing.assert_array_equal(other(strata, 50), alone)
    assert not np.array_equal(Remembered(4)(strata, 50), alone)


@pytest.mark.parametrize("units", [3, 70_000])
def test_sums_of_permuted_values_are_those_by_hand(units: int) -> None:
    rng = np.random.default_rng(5)
    values, columns = rng.normal(size=units), rng.normal(size=(units, 2))
    orders = np.array([rng.permutation(units) for _ in range(4)])
    np.testing.assert_allclose(permuted_sums(values, orders, columns), values[orders] @ columns)
