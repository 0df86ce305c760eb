"""The matched part of a suite is alike in length, and as large as it can be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexscope.errors import SuiteError, UsageError
from cortexscope.stats import matched_by_length

_lengths = st.lists(
    st.lists(st.integers(1, 30), min_size=1, max_size=4), min_size=2, max_size=3
)  # fmt: skip


def named(lengths: list[list[int]]) -> dict[str, dict[str, int]]:
    return {
        f"t{task}": {f"t{task}-{k}": length for k, length in enumerate(own)}
        for task, own in enumerate(lengths)
    }


def most_sets(lengths: list[list[int]], ratio: float) -> int:
    """Return the largest number of sets, by trying every one."""
    best = 0
    for chosen in itertools.product(*(range(len(own)) for own in lengths)):
        found = [own[place] for own, place in zip(lengths, chosen, strict=True)]
        if max(found) <= ratio * min(found):
            rest = [
                own[:place] + own[place + 1 :] for own, place in zip(lengths, chosen, strict=True)
            ]
            best = max(best, 1 + most_sets(rest, ratio))
    return best


@settings(max_examples=60, deadline=None)
@given(_lengths, st.sampled_from([1.01, 1.3, 2.0]))
def test_as_many_sets_as_there_can_be(lengths: list[list[int]], ratio: float) -> None:
    expected = most_sets(lengths, ratio)
    if not expected:
        with pytest.raises(SuiteError, match="alike in length"):
            matched_by_length(named(lengths), ratio=ratio)
        return
    found = matched_by_length(named(lengths), ratio=ratio)
    assert found.per_task == expected
    assert len(set(found.ids)) == expected * len(lengths)
    by_id = {name: n for own in named(lengths).values() for name, n in own.items()}
    for start in range(0, len(found.ids), len(lengths)):
        own = [by_id[name] for name in found.ids[start : start + len(lengths)]]
        assert max(own) <= ratio * min(own) * (1 + 1e-9)


def test_balance_is_that_of_the_logarithms() -> None:
    found = matched_by_length({"a": {"a1": 10, "a2": 40}, "b": {"b1": 10, "b2": 160}})
    logs = [np.log([10, 40]), np.log([10, 160])]
    everything = np.concatenate(logs)
    means = [own.mean() for own in logs]
    assert found.before.mean == pytest.approx({"a": 20, "b": 40})
    assert found.before.largest_difference == pytest.approx(np.ptp(means) / everything.std())
    between = sum(2 * (mean - everything.mean()) ** 2 for mean in means)
    assert found.before.explained == pytest.approx(between / (4 * everything.var()))
    assert found.after.largest_difference == 0
    assert found.ids == ("a1", "b1")


def test_several_models_count_by_their_geometric_mean() -> None:
    found = matched_by_length({"a": {"a1": [10, 40]}, "b": {"b1": [20, 20]}}, ratio=1.001)
    assert found.after.mean == pytest.approx({"a": 20, "b": 20})


def test_misuse_is_refused() -> None:
    with pytest.raises(UsageError, match="above 1, and is 1"):
        matched_by_length({"a": {"x": 1}, "b": {"y": 1}}, ratio=1.0)
    with pytest.raises(UsageError, match="two tasks or more"):
        matched_by_length({"a": {"x": 1}})
    with pytest.raises(UsageError, match="above 0"):
        matched_by_length({"a": {"x": 0}, "b": {"y": 1}})
