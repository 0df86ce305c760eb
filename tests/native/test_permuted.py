"""Sums of permuted values by compiled code, beside numpy's."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cortexscope import native
from cortexscope.native import _library
from cortexscope.stats import permuted_sums

needs_it = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")


@needs_it
@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
@pytest.mark.parametrize("units", [1, 7, 512, 1025])
@pytest.mark.parametrize("columns", [0, 1, 8, 9, 17])
def test_sums_are_those_of_permuted_values(
    kind: type[np.integer], units: int, columns: int
) -> None:
    rng = np.random.default_rng(units + columns)
    values, sides = rng.normal(size=units), rng.normal(size=(units, columns))
    for times in (0, 1, 7, 8, 21):
        orders = np.array([rng.permutation(units) for _ in range(times)], dtype=kind)
        orders = orders.reshape(times, units)
        found = native.permuted_sums(values, orders, sides)
        assert found is not None
        assert found.shape == (times, columns)
        wanted = [[sum(values[own] * side) for side in sides.T] for own in orders]
        np.testing.assert_allclose(found, np.reshape(wanted, (times, columns)), atol=1e-12)


@needs_it
def test_a_sum_does_not_depend_on_what_is_summed_beside_it() -> None:
    rng = np.random.default_rng(0)
    values, sides = rng.normal(size=900), rng.normal(size=(900, 11))
    orders = np.stack([rng.permutation(900) for _ in range(37)]).astype(np.uint16)
    found = native.permuted_sums(values, orders, sides)
    assert found is not None
    for one in range(len(orders)):
        np.testing.assert_array_equal(
            native.permuted_sums(values, orders[one : one + 1], sides), found[one : one + 1]
        )
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: native.permuted_sums(values, orders, sides), range(8)):
            np.testing.assert_array_equal(again, found)


@needs_it
def test_values_and_columns_may_lie_apart_in_memory() -> None:
    rng = np.random.default_rng(1)
    values, sides = rng.normal(size=(60, 3))[:, 1], rng.normal(size=(5, 60)).T
    orders = np.stack([rng.permutation(60) for _ in range(9)]).astype(np.uint16)
    found = native.permuted_sums(values, orders, sides)
    assert found is not None
    np.testing.assert_allclose(found, values[orders] @ sides, atol=1e-12)
    # Every second unit of every order is not where compiled code would look.
    assert native.permuted_sums(values[:30], orders[:, ::2], sides[:30]) is None


def test_numpy_sums_where_there_is_no_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    values, sides = rng.normal(size=50), rng.normal(size=(50, 4))
    orders = np.stack([rng.permutation(50) for _ in range(9)])
    assert native.permuted_sums(values, orders, sides) is None
    small = permuted_sums(values, orders.astype(np.uint16), sides)
    np.testing.assert_allclose(small, values[orders] @ sides, atol=1e-12)
    monkeypatch.setenv(_library.SWITCH, "off")
    _library._found.cache_clear()
    try:
        assert native.permuted_sums(values, orders.astype(np.uint16), sides) is None
        off = permuted_sums(values, orders.astype(np.uint16), sides)
    finally:
        monkeypatch.undo()
        _library._found.cache_clear()
    np.testing.assert_allclose(off, small, atol=1e-12)


def test_statistics_need_no_torch_for_it() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys\nfrom cortexscope import native\n"
         "print(native.is_there(), 'torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.split() == [str(native.is_there()), "False"]
