"""Coupled exchanges are those that keys, drawn for each unit, put two groups' units in."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from cortexscope.stats._coupled import Coupled, DrawnOnce

TIMES = 40


def groups_of(units: int, number: int) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng(units).permutation(units) % number)


def keys_by_hand(groups: NDArray[np.intp], first: int, second: int) -> NDArray[np.float64]:
    """Return the draws of two groups' units, those of the second turned round."""
    draws = np.random.default_rng(5).random((TIMES, len(groups)))
    return np.hstack([draws[:, groups == first], 1.0 - draws[:, groups == second]])


@pytest.mark.parametrize(("units", "number"), [(3, 2), (50, 3), (1100, 4), (33_000, 2)])
def test_two_groups_are_put_in_the_order_of_their_keys(units: int, number: int) -> None:
    groups = groups_of(units, number)
    coupled = Coupled(groups, TIMES, rng=np.random.default_rng(5))
    for first, second in combinations(range(number), 2):
        keys = keys_by_hand(groups, first, second)
        strata = np.arange(keys.shape[1], dtype=np.intp) * 7 % 3
        found = np.vstack([orders for _, orders in coupled.orders(first, second, strata)])
        for order, row in zip(found, keys, strict=True):
            np.testing.assert_array_equal(order, np.lexsort([row, strata]))


@pytest.mark.parametrize(("units", "number"), [(3, 2), (50, 3), (1100, 4)])
def test_those_that_stay_are_the_lowest_keys_of_both_groups(units: int, number: int) -> None:
    groups = groups_of(units, number)
    orders, staying = Coupled(groups, TIMES, rng=np.random.default_rng(5)).ranked
    draws = np.random.default_rng(5).random((TIMES, units))
    for group in range(number):
        own = np.flatnonzero(groups == group)
        expected = own[np.argsort(draws[:, own], axis=1)]
        np.testing.assert_array_equal(orders[:, groups == group], expected)
    for first, second in combinations(range(number), 2):
        size = int((groups == first).sum())
        lowest = np.argsort(keys_by_hand(groups, first, second), axis=1)[:, :size]
        expected = (lowest < size).sum(axis=1)
        np.testing.assert_array_equal(staying[first, second], expected)


def test_what_is_drawn_once_is_what_each_would_draw() -> None:
    couple = DrawnOnce(lambda: np.random.default_rng(5))
    every = [groups_of(units, 2) for units in (9, 12, 15)]
    first = couple(every[0], TIMES)
    assert couple(every[0].copy(), TIMES) is first
    for groups in (*every, every[0]):
        alone = Coupled(groups, TIMES, rng=np.random.default_rng(5))
        np.testing.assert_array_equal(couple(groups, TIMES).ranked.orders, alone.ranked.orders)
    # Of other groups, the last two are kept.
    assert couple(every[0], TIMES) is not first
