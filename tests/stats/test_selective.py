"""Selective heads are chosen on one half of the prompts and judged on the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import gamma
from scipy.stats import t as student
from scipy.stats import ttest_ind

from cortexscope.errors import UsageError
from cortexscope.stats._selective import halves_of, selective, selective_features

TASKS = np.repeat([*"abcd"], 20)


def _frame(
    values: NDArray[np.float64], n_tokens: NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """Return a frame of values, [prompt, layer, head]."""
    prompts, layers, heads = np.indices(values.shape).reshape(3, -1)
    lengths = np.full(len(TASKS), 10.0) if n_tokens is None else n_tokens
    names = np.array([f"prompt {number:03}" for number in range(len(TASKS))])
    return pd.DataFrame(
        {
            "task": TASKS[prompts], "prompt_id": names[prompts], "cluster": names[prompts],
            "n_tokens": lengths[prompts], "layer": layers + 1, "head": heads,
            "value": values.ravel(),
        }
    )  # fmt: skip


def _lengths(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.integers(5, 80, len(TASKS)).astype(np.float64)


def _hedges(own: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    degrees = len(own) + len(others) - 2
    squares = (len(own) - 1) * own.var(ddof=1) + (len(others) - 1) * others.var(ddof=1)
    factor = gamma(degrees / 2) / gamma((degrees - 1) / 2) / np.sqrt(degrees / 2)
    return float((own.mean() - others.mean()) / np.sqrt(squares / degrees) * factor)


def test_a_selective_head_is_chosen_and_found_again() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(80, 6, 4))
    values[TASKS == "b", 4, 2] += 2.5
    values[TASKS == "c", 1, 3] -= 2.5
    found = selective(_frame(values, _lengths(rng)), rng=rng).chosen
    for kind in ("raw", "adjusted"):
        best: Any = found[(found["values"] == kind) & (found["rank"] == 1)].set_index("task")
        assert best.loc["b", ["layer", "head"]].tolist() == [5, 2]
        assert best.loc["c", ["layer", "head"]].tolist() == [2, 3]
        assert best.loc["b", "low"] > 0.2
        assert best.loc["c", "high"] < -0.2
        assert (best.loc[["b", "c"], "p_bh"] < 0.05).all()
        assert (best.loc[["b", "c"], "p"] > 0).all()
    assert len(found) == 2 * 4 * 5


def test_effects_are_those_of_hedges_and_tests_those_of_welch() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(80, 3, 2)) * (1 + (TASKS == "a"))[:, None, None] + 1000.0
    first = halves_of(np.unique(TASKS, return_inverse=True)[1], rng=np.random.default_rng(7))
    found = selective(_frame(values), rng=np.random.default_rng(7), most=2).chosen
    rows: Any = found[found["values"] == "raw"].itertuples()
    for row in rows:
        column = values[:, row.layer - 1, row.head]
        own, others = row.task == TASKS, row.task != TASKS
        assert row.chosen_g == pytest.approx(_hedges(column[first & own], column[first & others]))
        assert row.g == pytest.approx(_hedges(column[~first & own], column[~first & others]))
        assert row.shrinkage == pytest.approx(1 - row.g / row.chosen_g)
        every = [
            abs(_hedges(each[first & own], each[first & others]))
            for each in values.reshape(80, -1).T
        ]
        assert sorted(every)[-row.rank] == pytest.approx(abs(row.chosen_g))
        welch = ttest_ind(column[~first & own], column[~first & others], equal_var=False)
        # Bell and McCaffrey's degrees of freedom are Welch's where both scatter alike.
        one, two = (~first & own).sum(), (~first & others).sum()
        parts = np.array([1 / one**2 / (one - 1), 1 / two**2 / (two - 1)])
        degrees = (1 / one + 1 / two) ** 2 / parts.sum()
        assert row.p == pytest.approx(2 * student.sf(abs(welch.statistic), degrees))


def test_adjusted_effects_are_those_of_a_robust_regression_by_statsmodels() -> None:
    import statsmodels.api as sm

    from cortexscope.stats._length import length_basis

    rng = np.random.default_rng(2)
    lengths = _lengths(rng)
    values = rng.normal(size=(80, 2, 2)) + np.sqrt(lengths)[:, None, None]
    first = halves_of(np.unique(TASKS, return_inverse=True)[1], rng=np.random.default_rng(7))
    frame = _frame(values, lengths)
    found = selective(frame, rng=np.random.default_rng(7), most=1).chosen
    basis = length_basis(lengths)
    rows: Any = found[found["values"] == "adjusted"].itertuples()
    for row in rows:
        design = np.column_stack([row.task == TASKS, np.ones(80), basis])[~first].astype(float)
        fit = sm.OLS(values[~first, row.layer - 1, row.head], design).fit(cov_type="HC2")
        d = fit.params[0] / np.sqrt(fit.scale)
        assert row.g == pytest.approx(d * (1 - 3 / (4 * fit.df_resid - 1)), rel=1e-4)
        # Bell and McCaffrey: the matrix whose quadratic form of the deviations is HC2's variance.
        inverse = np.linalg.pinv(design)
        left = np.eye(len(design)) - design @ inverse
        form = left @ np.diag(inverse[0] ** 2 / np.diag(left)) @ left
        degrees = np.trace(form) ** 2 / np.trace(form @ form)
        t = fit.params[0] / fit.bse[0]
        assert row.p == pytest.approx(2 * student.sf(abs(t), degrees))


def test_what_was_chosen_by_luck_is_not_found_again() -> None:
    rng = np.random.default_rng(3)
    found = [selective(_frame(rng.normal(size=(80, 10, 8))), rng=rng) for _ in range(12)]
    chosen = pd.concat([one.chosen for one in found])
    assert chosen["chosen_g"].abs().mean() > 0.6
    along = chosen["g"] * np.sign(chosen["chosen_g"])
    assert along.mean() == pytest.approx(0.0, abs=0.05)
    assert np.mean([one.kept["kept"].iloc[0] for one in found]) == pytest.approx(0.0, abs=0.08)
    assert (chosen["p"] <= 0.05).mean() == pytest.approx(0.05, abs=0.04)
    assert ((chosen["low"] <= 0) & (chosen["high"] >= 0)).mean() == pytest.approx(0.95, abs=0.04)


def test_intervals_hold_the_true_effect() -> None:
    rng = np.random.default_rng(4)
    held = []
    for _ in range(25):
        lengths = _lengths(rng)
        values = rng.normal(size=(80, 4, 2)) + np.log(lengths)[:, None, None]
        values[TASKS == "a", 0, 0] += 2.5
        found = selective(_frame(values, lengths), rng=rng, most=1).chosen
        best = found[(found["task"] == "a") & (found["values"] == "adjusted")].iloc[0]
        assert (best["layer"], best["head"]) == (1, 0)
        held.append(best["low"] <= 2.5 <= best["high"])
    assert np.mean(held) >= 0.84  # less than 21 of 25 has a chance of 1 % at 95 %


def test_heads_that_only_count_tokens_are_selective_raw_and_not_adjusted() -> None:
    rng = np.random.default_rng(5)
    lengths = _lengths(rng)
    lengths[TASKS == "d"] = np.sort(rng.integers(45, 90, 20))
    curve = np.sqrt(lengths)[:, None, None] * rng.uniform(0.5, 1.5, size=(5, 4))
    found = selective(_frame(curve + 0.5 * rng.normal(size=(80, 5, 4)), lengths), rng=rng)
    chosen: Any = found.chosen[found.chosen["task"] == "d"].set_index("values")
    assert (chosen.loc["raw", "p_bh"] < 0.05).all()
    assert (chosen.loc["adjusted", "p_bh"] > 0.05).all()


def test_tasks_without_common_lengths_are_not_compared_at_equal_length() -> None:
    rng = np.random.default_rng(6)
    lengths = np.where(TASKS == "d", 400.0, 10.0) * rng.uniform(0.9, 1.1, len(TASKS))
    found = selective(_frame(rng.normal(size=(80, 2, 2)), lengths), rng=rng, most=1).chosen
    adjusted = found[found["values"] == "adjusted"]
    assert adjusted["p"].isna().all()
    assert adjusted["reason"].str.contains("the lengths of d").all()
    assert found[found["values"] == "raw"]["p"].notna().all()


def test_paraphrases_of_a_prompt_stay_in_one_half_and_count_once() -> None:
    rng = np.random.default_rng(7)
    frame = _frame(rng.normal(size=(80, 3, 2)))
    again = frame.assign(prompt_id=frame["prompt_id"] + " again")
    once = selective(frame, rng=np.random.default_rng(0))
    twice = selective(pd.concat([again, frame]), rng=np.random.default_rng(0))
    pd.testing.assert_frame_equal(once.chosen, twice.chosen)
    assert once.n == twice.n == (40, 40)


def test_neurons_have_an_index_in_place_of_a_head() -> None:
    rng = np.random.default_rng(8)
    frame = _frame(rng.normal(size=(80, 2, 3))).rename(columns={"head": "index"})
    found = selective(frame.assign(head=None), rng=rng, most=1)
    assert "index" in found.chosen.columns
    assert "head" not in found.chosen.columns
    assert found.looked_at == 6


def test_halves_split_each_task_evenly() -> None:
    codes = np.repeat([0, 1, 2], [4, 5, 11])
    first = halves_of(codes, rng=np.random.default_rng(0))
    assert np.bincount(codes[first]).tolist() == [2, 2, 5]
    other = halves_of(codes, rng=np.random.default_rng(1))
    assert (first != other).any()


def test_what_is_undefined_has_a_reason() -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(size=(80, 2, 2))
    values[:, 0, 0] = 3.0
    values[5, 0, 1] = np.nan
    values[7] = np.nan
    found = selective(_frame(values), rng=rng)
    assert (found.looked_at, found.undefined, found.left_out) == (2, 2, 1)
    frame = _frame(values)
    few = frame[(frame["task"] != "a") | frame["prompt_id"].isin(["prompt 000", "prompt 001"])]
    row = selective(few, rng=rng).chosen.set_index("task").loc["a"]
    assert (row["reason"] == "there are fewer than 2 prompts of the task, or of all others").all()
    assert row["g"].isna().all()
    one = selective(frame[frame["task"] == "a"], rng=rng).chosen
    assert (one["reason"] == "there is only one task").all()
    nothing = selective(frame.assign(value=np.nan), rng=rng)
    assert (nothing.looked_at, len(nothing.chosen)) == (0, 0)


def test_frames_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(10)
    frame = _frame(rng.normal(size=(80, 2, 2)))
    with pytest.raises(UsageError, match="lacks the columns layer, head or index"):
        selective(frame.drop(columns=["layer", "head"]), rng=rng)
    with pytest.raises(UsageError, match="several values of one prompt at one place"):
        selective(pd.concat([frame, frame]), rng=rng)
    with pytest.raises(UsageError, match="most must be at least 1"):
        selective(frame, rng=rng, most=0)


def test_neurons_given_as_vectors_are_judged_like_a_frame() -> None:
    rng = np.random.default_rng(11)
    values = rng.normal(size=(80, 3, 50))
    values[TASKS == "c", 1, 7] += 2.5
    lengths = _lengths(rng)
    frame = _frame(values, lengths).rename(columns={"head": "index"})
    by_frame = selective(frame.assign(layer=frame["layer"] - 1), rng=np.random.default_rng(3))
    layers = [values[:, 0], values[:, 1], values[:, 2]]
    given = selective_features(layers, TASKS, None, n_tokens=lengths, rng=np.random.default_rng(3))
    # Units are in the order of their names, of which those of a frame sort as prompts do.
    names = [f"prompt {number:03}" for number in range(80)]
    named = selective_features(layers, TASKS, names, n_tokens=lengths, rng=np.random.default_rng(3))
    pd.testing.assert_frame_equal(named.chosen, by_frame.chosen)
    assert named.kept.equals(by_frame.kept)
    assert (named.n, named.looked_at, named.undefined) == ((40, 40), 150, 0)
    for found in (given, named):
        best = found.chosen[(found.chosen["task"] == "c") & (found.chosen["rank"] == 1)]
        assert list(best["values"]) == ["raw", "adjusted"]
        assert (best["layer"] == 1).all()
        assert (best["index"] == 7).all()
        assert (best["p_bh"] < 0.01).all()


def test_paraphrases_are_averaged_and_layers_without_values_are_counted() -> None:
    rng = np.random.default_rng(12)
    values = rng.normal(size=(80, 3, 6))
    lengths = _lengths(rng)
    names = np.array([f"prompt {number:03}" for number in range(80)])
    twice = np.concatenate([values + 1.0, values - 1.0])
    lost = twice.copy()
    lost[4, 2, 1] = np.nan
    stack = [twice[:, 0], None, twice[:, 1], lost[:, 2]]
    both = selective_features(
        stack,
        np.tile(TASKS, 2),
        np.tile(names, 2),
        n_tokens=np.tile(lengths, 2),
        rng=np.random.default_rng(3),
    )
    assert (both.n, both.looked_at, both.undefined, both.left_out) == ((40, 40), 12, 6, 0)
    assert set(both.chosen["layer"]) == {0, 2}
    once = selective_features(
        values[:, :2].transpose(1, 0, 2), TASKS, names, n_tokens=lengths,
        rng=np.random.default_rng(3),
    )  # fmt: skip
    np.testing.assert_allclose(both.chosen["g"], once.chosen["g"], rtol=1e-9)
    nothing = selective_features([None], TASKS, None, n_tokens=lengths, rng=rng)
    assert (nothing.looked_at, nothing.chosen["g"].notna().sum()) == (0, 0)


def test_many_neurons_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(13)
    values, lengths = rng.normal(size=(1, 80, 40)), _lengths(rng)
    found = []
    for together in (7, 40, 1000):
        monkeypatch.setattr("cortexscope.stats._selective._TOGETHER", together)
        draws = np.random.default_rng(3)
        found.append(selective_features(values, TASKS, None, n_tokens=lengths, rng=draws).chosen)
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[1], found[2])
