"""The unit of inference is the prompt with its paraphrases, read by every model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexscope.errors import UsageError
from cortexscope.stats._units import known_rows, units_of


def made(rng: np.random.Generator, *, tasks: int = 3, prompts: int = 8) -> pd.DataFrame:
    """Two models; every second prompt has a paraphrase."""
    rows = []
    for task in range(tasks):
        for prompt in range(prompts):
            for copy in range(1 + prompt % 2):
                tokens = int(rng.integers(8, 60))
                rows += [
                    {
                        "model": model, "task": f"t{task}", "prompt_id": f"t{task}-{prompt}-{copy}",
                        "cluster": f"t{task}-{prompt}", "n_tokens": tokens + 3 * (model == "b"),
                        "value": rng.normal(),
                    }
                    for model in ("a", "b")
                ]  # fmt: skip
    return pd.DataFrame(rows)


def test_paraphrases_are_one_unit_with_their_mean() -> None:
    frame = made(np.random.default_rng(0))
    units = units_of(frame)
    expected = frame.groupby(["task", "cluster", "model"])["value"].mean().unstack()
    assert len(units) == 24
    np.testing.assert_allclose(units.values, expected.to_numpy())
    np.testing.assert_array_equal(units.codes, np.repeat([0, 1, 2], 8))
    np.testing.assert_array_equal(units.starts, [0, 8, 16])
    logs = np.log(frame["n_tokens"]).groupby([frame["task"], frame["cluster"]]).mean()
    np.testing.assert_allclose(units.logs, logs.to_numpy())


def test_a_prompt_counts_where_every_model_has_a_value() -> None:
    frame = made(np.random.default_rng(1))
    frame.loc[(frame["model"] == "a") & (frame["cluster"] == "t0-0"), "value"] = np.nan
    one_of_two = (frame["model"] == "b") & (frame["prompt_id"] == "t1-1-0")
    frame.loc[one_of_two, "value"] = np.inf
    units = units_of(frame)
    assert (len(units), units.left_out) == (23, 1)
    other = frame.loc[frame["prompt_id"] == "t1-1-1"].set_index("model")["value"]
    np.testing.assert_allclose(units.values[7 + 1], other[["a", "b"]])


def test_a_model_without_values_is_left_out() -> None:
    frame = made(np.random.default_rng(2))
    frame.loc[frame["model"] == "b", "value"] = np.nan
    assert units_of(frame).models == ("a",)
    assert len(units_of(frame.assign(value=np.nan))) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = made(rng, tasks=2, prompts=4)
    one, two = units_of(frame), units_of(frame.iloc[rng.permutation(len(frame))])
    np.testing.assert_allclose(one.values, two.values)
    np.testing.assert_allclose(one.bases[1], two.bases[1])
    np.testing.assert_allclose(one.shared[1], two.shared[1])


def test_slopes_are_those_of_a_regression_on_tasks_and_the_curve() -> None:
    units = units_of(made(np.random.default_rng(3), prompts=20))
    slopes, reason = units.slopes(1)
    exog = np.hstack([np.eye(3)[units.codes], units.bases[1]])
    expected = np.linalg.lstsq(exog, units.values[:, 1])[0][3:]
    assert reason is None
    assert slopes is not None
    np.testing.assert_allclose(slopes, expected, rtol=1e-8)


def test_the_shared_length_is_between_those_of_the_models() -> None:
    frame = made(np.random.default_rng(4))
    units = units_of(frame)
    # The first column is log length between the outer knots, so a mean of logs is a mean of it.
    knots = units.curves[0].knots
    expected = (units.logs - knots[0]) / (knots[-1] - knots[0])
    np.testing.assert_allclose(units.shared[0][:, 0], expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop(columns="cluster"), "lacks the columns cluster"),
        (lambda frame: pd.concat([frame, frame]), "twice in a values frame"),
        (lambda frame: frame.assign(cluster="one"), "different tasks"),
        (lambda frame: frame.assign(n_tokens=0), "at least one token"),
    ],
)
def test_what_contradicts_itself_is_an_error(change, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=said):
        units_of(change(made(np.random.default_rng(0))))


def test_known_rows_are_those_with_a_finite_value() -> None:
    frame = made(np.random.default_rng(0))
    frame.loc[frame.index[:3], "value"] = [np.nan, np.inf, -np.inf]
    known, facts = known_rows(frame)
    assert len(known) == len(frame) - 3
    assert set(facts["cluster"]) <= set(frame["cluster"])
