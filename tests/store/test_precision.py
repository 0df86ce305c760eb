"""Values of heads are kept to 25 significant bits, all others and those in float64 whole."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cortexscope.store import MEASUREMENTS
from cortexscope.store._precision import kept


def table(values: list[float | None], *, head: bool = True) -> pa.Table:
    columns: dict[str, Any] = {name: [None] * len(values) for name in MEASUREMENTS.names}
    columns |= {name: ["x"] * len(values) for name in ("model", "metric", "stack")}
    columns["head"] = [0 if head else None] * len(values)
    return pa.table(columns | {"value": values}, schema=MEASUREMENTS)


def nearest(value: float) -> float:
    """Return the nearest number of 25 significant bits, by exact fractions."""
    if not value:
        return value
    unit = Fraction(2) ** (math.frexp(value)[1] - 25)
    return float(round(Fraction(value) / unit) * unit)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_is_the_nearest_of_25_bits(dtype: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=5000) * 10.0 ** rng.integers(-200, 200, 5000)
    special = [0.0, -0.0, 1.0, -3.0, 0.5, 2.0**24 + 1, 33_554_431.0, 1 - 2**-30, 2.0**-1000]
    asked = [*values.tolist(), *special, None]
    found = kept(table(asked), dtype)["value"].to_pylist()
    assert found == [None if own is None else nearest(own) for own in asked]
    assert found[5000:-1] == [*special[:-2], 1.0, special[-1]]
    apart = np.abs(np.array(found[:5000]) / values - 1)
    assert 1e-9 < apart.max() <= 2**-25


def test_is_kept_whole_for_float64_and_once_is_enough() -> None:
    values = [math.pi, -1 / 3, None]
    whole = table(values)
    assert kept(whole, "float64").equals(whole)
    of_layers = table(values, head=False)
    assert kept(of_layers, "float32").equals(of_layers)
    once = kept(whole, "float32")
    assert not once.equals(whole)
    assert kept(once, "float32").equals(once)
