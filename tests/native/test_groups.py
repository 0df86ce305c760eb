"""Rows grouped and added by compiled code, beside numpy's ways."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cortexscope import native
from cortexscope.native import _library

pytestmark = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")


@pytest.mark.parametrize("rows", [0, 1, 5, 1000])
@pytest.mark.parametrize("size", [1, 3, 700])
def test_groups_are_numbered_in_the_order_of_their_codes(rows: int, size: int) -> None:
    codes = np.random.default_rng(rows).integers(size, size=rows)
    found = native.numbered_groups(codes.copy(), size)
    assert found is not None
    there, first, places = np.unique(codes, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(found[0], first)
    np.testing.assert_array_equal(found[1], places)
    np.testing.assert_array_equal(codes[found[0]][found[1]], codes)
    assert len(found[0]) == len(there)


@pytest.mark.parametrize("some", [False, True])
def test_values_are_added_row_after_row(some: bool) -> None:
    rng = np.random.default_rng(3)
    groups, values = (
        rng.integers(9, size=5000),
        rng.normal(size=5000) * 10.0 ** rng.integers(-9, 9, size=5000),
    )
    known = rng.random(5000) < 0.7 if some else None
    found = native.group_sums(groups, 11, values, known)
    assert found is not None
    counted = np.ones(5000, dtype=bool) if known is None else known
    sums = [0.0] * 11
    for group, value in zip(groups[counted], values[counted], strict=True):
        sums[group] += value
    # To the last bit, so that what is read is repeatable.
    assert found[0].tolist() == sums
    assert found[1].tolist() == np.bincount(groups[counted], minlength=11).tolist()


def test_threads_do_not_disturb_one_another() -> None:
    rng = np.random.default_rng(4)
    every = [(rng.integers(50, size=20_000), rng.normal(size=20_000)) for _ in range(12)]
    alone = [native.group_sums(groups, 50, values, None) for groups, values in every]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda own: native.group_sums(own[0], 50, own[1], None), every))
    for one, other in zip(alone, beside, strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_without_it_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_library.SWITCH, "off")
    _library._found.cache_clear()
    try:
        assert native.numbered_groups(np.zeros(2, dtype=np.int64), 1) is None
        assert native.group_sums(np.zeros(2, dtype=np.int64), 1, np.zeros(2), None) is None
    finally:
        monkeypatch.undo()
        _library._found.cache_clear()
