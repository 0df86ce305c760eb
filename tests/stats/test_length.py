"""Length enters as a natural cubic spline in log tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patsy import dmatrix
from scipy.interpolate import CubicSpline

from cortexscope.errors import UsageError
from cortexscope.stats._length import adjusted_values, length_basis
from cortexscope.stats._length_curve import LengthCurve


def left_over(columns: np.ndarray, values: np.ndarray) -> float:
    exog = np.column_stack([np.ones(len(values)), columns])
    return float(np.abs(values - exog @ np.linalg.lstsq(exog, values)[0]).max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_basis_holds_every_natural_spline_with_its_knots(seed: int, df: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.permutation(np.arange(5, 300))[:80]
    curve = LengthCurve.over(tokens, df=df)
    spline = CubicSpline(curve.knots, rng.normal(size=df + 1), bc_type="natural")
    logs, (first, last) = np.log(tokens), curve.knots[[0, -1]]
    inside = np.clip(logs, first, last)
    # Natural splines go on as straight lines.
    values = spline(inside) + spline(inside, 1) * (logs - inside)
    basis = length_basis(tokens, df=df)
    assert basis.shape == (80, df)
    assert left_over(basis, values) < 1e-8


def test_the_basis_spans_what_patsy_calls_cr() -> None:
    tokens = np.random.default_rng(0).integers(6, 200, 150)
    knots = LengthCurve.over(tokens, df=4).knots
    logs = np.log(tokens)
    inside = (logs >= knots[0]) & (logs <= knots[-1])
    theirs = np.asarray(
        dmatrix(
            "cr(x, knots=knots[1:-1], lower_bound=knots[0], upper_bound=knots[-1]) - 1",
            {"x": logs[inside], "knots": knots},
        )
    )
    ours = length_basis(tokens, df=4)[inside]
    assert theirs.shape[1] == ours.shape[1] + 1
    assert max(left_over(ours, column) for column in theirs.T) < 1e-9


def test_columns_grow_with_prompts_up_to_six() -> None:
    tokens = np.arange(10, 1010)
    widths = [length_basis(tokens[:n]).shape[1] for n in (5, 15, 16, 30, 48, 500)]
    assert widths == [1, 1, 2, 3, 6, 6]


def test_fewer_lengths_than_knots_give_a_column_less_than_lengths() -> None:
    assert length_basis([5, 5, 9, 9, 20], df=6).shape == (5, 2)
    assert length_basis([5] * 100).shape == (100, 0)
    # Nearly all prompts of one length: the quantiles are one, and a straight line is left.
    assert length_basis([5] * 97 + [6, 7, 8, 9, 10, 11, 12]).shape[1] == 1


@pytest.mark.parametrize("lengths", [[0, 4], [-1, 4], [np.nan, 4], [np.inf, 4]])
def test_lengths_must_be_positive_numbers(lengths: list[float]) -> None:
    with pytest.raises(UsageError, match="at least one token"):
        length_basis(lengths)


def test_a_curve_needs_a_column() -> None:
    with pytest.raises(UsageError, match="at least 1 column"):
        length_basis([4, 5], df=0)


def planted(rng: np.random.Generator, *, effect: float) -> pd.DataFrame:
    """Two models; task b has longer prompts, and `effect` more at equal lengths."""
    n = 60
    logs = np.concatenate([rng.normal(3.2, 0.4, n), rng.normal(3.8, 0.4, n)])
    tokens = np.rint(np.exp(logs))
    frames = []
    for model, curve in (("m", np.sqrt), ("k", lambda tokens: 5 * np.log(tokens))):
        frame = pd.DataFrame({"task": np.repeat(["a", "b"], n), "n_tokens": tokens})
        frame["value"] = curve(tokens) + effect * (frame["task"] == "b")
        frames.append(frame.assign(model=model, prompt_id=[f"p{i}" for i in range(2 * n)]))
    return pd.concat(frames).assign(cluster=lambda frame: frame["prompt_id"])


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_adjusting_leaves_what_is_there_at_equal_lengths(effect: float) -> None:
    frame = planted(np.random.default_rng(0), effect=effect)
    means = adjusted_values(frame).groupby(["model", "task"])["value"].mean().unstack()
    raw = frame.groupby(["model", "task"])["value"].mean().unstack()
    np.testing.assert_allclose(means["b"] - means["a"], effect, atol=0.02)
    assert ((raw["b"] - raw["a"]) > effect + 1).all()


def test_adjusted_values_are_at_the_mean_log_length() -> None:
    frame = planted(np.random.default_rng(1), effect=0.0).query("model == 'k'")
    typical = 5 * np.log(frame["n_tokens"]).mean()
    np.testing.assert_allclose(adjusted_values(frame)["value"], typical, rtol=1e-6)


def test_adjusted_values_keep_rows_and_say_why_one_is_undefined() -> None:
    frame = planted(np.random.default_rng(2), effect=1.0)
    frame["value"] = frame["value"].where(np.arange(len(frame)) != 3)
    out = adjusted_values(frame)
    assert list(out["prompt_id"]) == list(frame["prompt_id"])
    np.testing.assert_array_equal(out["raw"], frame["value"])
    assert out["reason"].iloc[3] == "no value"
    assert out["reason"].notna().sum() == 1
    few = adjusted_values(frame.iloc[[0, 60]])
    assert few["value"].isna().all()
    assert few["reason"].str.contains("too few").all()


def test_equal_lengths_change_nothing() -> None:
    frame = planted(np.random.default_rng(3), effect=1.0).assign(n_tokens=12)
    np.testing.assert_array_equal(adjusted_values(frame)["value"], frame["value"])
