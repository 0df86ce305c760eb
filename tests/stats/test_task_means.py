"""Means of tasks and their intervals, and whether a task is the highest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cortexscope.errors import UsageError
from cortexscope.stats._estimates import drawn, estimates
from cortexscope.stats._length import adjusted_values
from cortexscope.stats._task_means import _prepared, highest_task, task_means


def made(
    rng: np.random.Generator,
    *,
    shifts: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0),
    effects: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0),
    prompts: int = 14,
    models: int = 1,
) -> pd.DataFrame:
    """Tasks with shifted log lengths and added effects; a value is twice the log tokens' curve."""
    task = np.repeat(np.arange(len(shifts)), prompts)
    logs = 3.4 + np.array(shifts)[task] + 0.4 * rng.normal(size=len(task))
    shared, frames = rng.normal(size=len(task)), []
    for model in range(models):
        tokens = np.rint(np.exp(logs) * (1 + 0.2 * model) + 2)
        noise = 0.5 * (shared + rng.normal(size=len(task))) / np.sqrt(2)
        value = (model + 2) * np.log(tokens) + noise + np.array(effects)[task]
        frames.append(
            pd.DataFrame(
                {
                    "model": f"m{model}", "task": [f"t{code}" for code in task],
                    "prompt_id": [f"p{place:03d}" for place in range(len(task))],
                    "n_tokens": tokens.astype(int), "value": value,
                }
            )
        )  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(cluster=frame["prompt_id"])


def test_raw_means_are_the_means_over_prompts_of_means_over_models() -> None:
    frame = made(np.random.default_rng(0), models=2)
    found = task_means(frame, adjusted=False, rng=np.random.default_rng(0), resamples=99)
    expected = frame.groupby("task")["value"].mean()
    np.testing.assert_allclose(found["mean"], expected)
    assert list(found["n"]) == [14] * 4
    assert ((found["low"] < found["mean"]) & (found["mean"] < found["high"])).all()


@pytest.mark.parametrize("models", [1, 2])
def test_adjusted_means_are_those_of_adjusted_values(models: int) -> None:
    frame = made(np.random.default_rng(1), models=models, shifts=(0.0, 0.1, 0.2, 0.3))
    found = task_means(frame, adjusted=True, rng=np.random.default_rng(0), resamples=99)
    expected = adjusted_values(frame).groupby("task")["value"].mean()
    np.testing.assert_allclose(found["mean"], expected)


def test_resamples_draw_each_task_as_often_as_it_has_prompts() -> None:
    units, _ = _prepared(made(np.random.default_rng(0), prompts=5), adjusted=False)
    weights = drawn(units, 4000, rng=np.random.default_rng(0))
    assert (weights.reshape(4000, 4, 5).sum(axis=2) == 5).all()
    # Draws of one of 5 prompts, 5 times: mean 1, variance 0.8.
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.06)
    np.testing.assert_allclose(weights.var(axis=0), 0.8, atol=0.08)


@pytest.mark.parametrize("adjusted", [False, True])
def test_errors_are_those_of_influences_unit_by_unit(adjusted: bool) -> None:
    frame = made(np.random.default_rng(2), models=2, shifts=(0.0, 0.1, 0.2, 0.3))
    units, _ = _prepared(frame, adjusted=adjusted)
    contrasts = np.eye(4) - np.roll(np.eye(4), 1, axis=1)
    weights = drawn(units, 3, rng=np.random.default_rng(0))
    found = estimates(units, weights, contrasts)
    for weight, estimate, error in zip(weights, *found, strict=True):
        # Least squares of each model written out: weights as repeats of rows.
        member, total, influence = np.eye(4)[units.codes], np.zeros(4), np.zeros((56, 4))
        for model in range(2):
            basis = units.bases[model]
            exog, root = np.hstack([member, basis]), np.sqrt(weight)[:, None]
            weighted, values = exog * root, units.values[:, model]
            inverse = np.linalg.inv(weighted.T @ weighted)
            fit = inverse @ (weighted.T @ (values * root[:, 0]))
            reader = np.hstack([np.eye(4), np.tile(units.typical[model], (4, 1))])
            total += reader @ fit / 2
            influence += (exog @ inverse @ reader.T) * (values - exog @ fit)[:, None] / 2
        influence *= np.sqrt(14 / 13)
        expected = np.sqrt(weight @ (influence @ contrasts.T) ** 2)
        np.testing.assert_allclose(estimate, contrasts @ total, rtol=1e-6)
        np.testing.assert_allclose(error, expected, rtol=1e-6)


@pytest.mark.parametrize("adjusted", [False, True])
def test_intervals_of_task_means_cover(adjusted: bool) -> None:
    truth, covered = np.array([0.0, 0.3, 0.6, 0.9]), []
    for number in range(120):
        rng = np.random.default_rng([7, number])
        frame = made(rng, effects=tuple(truth))
        if not adjusted:
            frame["value"] -= 2 * np.log(frame["n_tokens"])
        found = task_means(frame, adjusted=adjusted, rng=rng, resamples=299)
        true = truth + (2 * np.log(frame["n_tokens"]).mean() if adjusted else 0.0)
        covered.append(((found["low"] <= true) & (true <= found["high"])).to_numpy())
    assert 0.92 < np.mean(covered) < 0.98


def test_length_alone_makes_a_task_highest_raw_and_not_adjusted() -> None:
    held = {False: 0, True: 0}
    for number in range(60):
        rng = np.random.default_rng([1, number])
        frame = made(rng, shifts=(0.0, 0.1, 0.0, 0.7), prompts=24)
        for adjusted in held:
            found = highest_task(frame, "t3", adjusted=adjusted, rng=rng, resamples=299)
            held[adjusted] += found.holds is True
    assert held[False] == 60
    assert held[True] <= 5


@pytest.mark.parametrize("models", [1, 2])
def test_a_task_that_is_highest_is_so_both_ways_and_intervals_cover(models: int) -> None:
    held, covered = {False: 0, True: 0}, 0
    for number in range(40):
        rng = np.random.default_rng([2, number])
        frame = made(rng, shifts=(0.0, 0.1, 0.0, 0.3), effects=(0.0, 0.2, 0.1, 1.2), models=models)
        for adjusted in held:
            found = highest_task(frame, "t3", adjusted=adjusted, rng=rng, resamples=299)
            held[adjusted] += found.holds is True
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.0 <= found.high
    assert min(held.values()) >= 36
    assert covered >= 36


def test_another_task_that_is_higher_contradicts() -> None:
    frame = made(np.random.default_rng(0), effects=(0.0, 2.0, 0.0, 0.0))
    found = highest_task(frame, "t3", adjusted=True, rng=np.random.default_rng(0), resamples=299)
    assert (found.other, found.holds, found.reason) == ("t1", False, None)
    assert found.difference == pytest.approx(-2.0, abs=0.7)


def test_an_open_question_is_neither_true_nor_false() -> None:
    frame = made(np.random.default_rng(0))
    found = highest_task(frame, "t3", adjusted=True, rng=np.random.default_rng(0), resamples=299)
    assert found.holds is None
    assert found.reason == "the interval holds 0"


def test_results_are_those_of_the_seed_and_not_of_the_order_of_rows() -> None:
    frame = made(np.random.default_rng(3), models=2)
    other = frame.sample(frac=1, random_state=1)
    one, two = (
        task_means(rows, adjusted=True, rng=np.random.default_rng(0), resamples=99)
        for rows in (frame, other)
    )
    pd.testing.assert_frame_equal(one, two)


def test_what_is_undefined_has_a_reason() -> None:
    frame = made(np.random.default_rng(0))
    few = frame.groupby("task").head(4)
    found = task_means(few, adjusted=False, rng=np.random.default_rng(0), resamples=99)
    assert found["mean"].notna().all()
    assert found["low"].isna().all()
    assert found["reason"].str.contains("fewer than 5").all()
    flat = frame.assign(value=1.0)
    assert task_means(flat, adjusted=True, rng=np.random.default_rng(0))["low"].isna().all()
    apart = made(np.random.default_rng(0), shifts=(0.0, 0.0, 0.0, 3.0))
    found = task_means(apart, adjusted=True, rng=np.random.default_rng(0), resamples=99)
    assert found["mean"].isna().all()
    assert found["reason"].str.contains("hardly those of any other").all()
    for rows, said in (
        (few, "fewer than 5"), (flat, "same throughout"), (apart, "hardly"),
        (frame.assign(value=np.nan), "no value"), (frame[frame["task"] == "t3"], "no other task"),
    ):  # fmt: skip
        result = highest_task(rows, "t3", adjusted=True, rng=np.random.default_rng(0), resamples=99)
        assert (result.low, result.high, result.holds) == (None, None, None)
        assert said in str(result.reason)


def test_a_task_that_is_not_there_is_an_error() -> None:
    frame = made(np.random.default_rng(0))
    with pytest.raises(UsageError, match="no task 't9'"):
        highest_task(frame, "t9", adjusted=True, rng=np.random.default_rng(0))
