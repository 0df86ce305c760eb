"""Sums and counts of a file's rows are those of groups of rows looked at one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexscope.store._checks import _distinct
from cortexscope.store._sums import counted, counted_with_prompts, reduced

KEYS = ["stack", "layer"]
ROW = st.tuples(
    st.sampled_from(["encoder", "decoder", None]),
    st.sampled_from([-3, 0, 7, 2**31, None]),
    st.sampled_from(["p1", "p2", None]),
    st.one_of(st.none(), st.floats(-1e3, 1e3)),
)
Row = tuple[str | None, int | None, str | None, float | None]


def table_of(rows: list[Row]) -> pa.Table:
    stack, layer, prompt, value = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "stack": pa.array(stack, pa.string()).dictionary_encode(),
            "layer": pa.array(layer, pa.int64()),
            "prompt_id": pa.array(prompt, pa.string()).dictionary_encode(),
            "value": pa.array(value, pa.float64()),
        }
    )


def key_of(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(row[name]) else row[name] for name in KEYS)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=30))
def test_rows_with_the_same_keys_are_added_and_counted(rows: list[Row]) -> None:
    groups: dict[Any, list[Row]] = {}
    for one in rows:
        groups.setdefault(one[:2], []).append(one)
    table = table_of(rows)
    sums, counts = reduced(table, KEYS), counted_with_prompts(table, KEYS)
    pd.testing.assert_frame_equal(counted(table, KEYS), counts.drop(columns="prompts"))
    for frame in (sums, counts):
        assert len(frame) == len(groups)
        assert {key_of(row) for row in frame.to_dict("records")} == groups.keys()
    for row in sums.to_dict("records"):
        known = [own[3] for own in groups[key_of(row)] if own[3] is not None]
        assert row["value_count"] == len(known)
        assert math.isclose(row["value_sum"], math.fsum(known), rel_tol=1e-12, abs_tol=1e-9)
    for row in counts.to_dict("records"):
        own = groups[key_of(row)]
        assert row["rows"] == len(own)
        assert row["prompts"] == len({prompt for *_, prompt, _ in own if prompt is not None})


def test_groups_are_in_the_order_of_their_keys_and_nulls_last() -> None:
    rows: list[Row] = [("b", 2, "p", 1.0), ("a", None, "p", 2.0), ("b", 1, "p", 3.0)]
    found = reduced(table_of([*rows, (None, 1, "p", 4.0), ("a", 5, "p", 5.0)]), KEYS)
    # Texts are in the order in which the file has them first.
    assert found["value_sum"].tolist() == [3.0, 1.0, 5.0, 2.0, 4.0]


def test_numbers_that_differ_are_counted_however_many_there_could_be() -> None:
    codes = np.array([5, 3, 5, 0, 9], dtype=np.int64)
    assert _distinct(codes.copy(), 10) == _distinct(codes.copy(), 2**60) == 4
    assert _distinct(codes[:0], 10) == _distinct(codes[:0], 2**60) == 0
