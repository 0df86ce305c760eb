"""Means of tasks and their intervals, and whether a task is the highest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cortexscope.errors import UsageError
from cortexscope.stats._fit import Fit, contrasts
from cortexscope.stats._interval import interval
from cortexscope.stats._length import adjusted_values
from cortexscope.stats._task_means import (
    _prepared,
    highest_task,
    leading_task,
    task_means,
)


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


def scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Return each model's values less their mean, over their standard deviation."""
    groups = frame.groupby("model")["value"]
    return frame.assign(value=(frame["value"] - groups.transform("mean")) / groups.transform("std"))


def test_raw_means_are_the_means_over_prompts_of_means_over_models() -> None:
    frame = made(np.random.default_rng(0), models=2)
    found = task_means(frame, adjusted=False)
    expected = scores(frame).groupby("task")["value"].mean()
    np.testing.assert_allclose(found["mean"], expected)
    one = task_means(frame[frame["model"] == "m1"], adjusted=False)
    own = frame[frame["model"] == "m1"].groupby("task")["value"].mean()
    np.testing.assert_allclose(one["mean"], own)
    assert list(found["n"]) == [14] * 4
    assert ((found["low"] < found["mean"]) & (found["mean"] < found["high"])).all()


@pytest.mark.parametrize("models", [1, 2])
def test_adjusted_means_are_those_of_adjusted_values(models: int) -> None:
    frame = made(np.random.default_rng(1), models=models, shifts=(0.0, 0.1, 0.2, 0.3))
    found = task_means(frame, adjusted=True)
    values = adjusted_values(scores(frame) if models > 1 else frame)
    expected = values.groupby("task")["value"].mean()
    np.testing.assert_allclose(found["mean"], expected)


def test_raw_means_have_the_interval_of_their_prompts() -> None:
    frame = made(np.random.default_rng(0), models=2)
    found = task_means(frame, adjusted=False).set_index("task")
    units = scores(frame).groupby(["task", "prompt_id"])["value"].mean()
    for task in ("t0", "t3"):
        own = interval(units[task].to_numpy(), rng=np.random.default_rng(0))
        ends = found.loc[task, "low"], found.loc[task, "high"]
        assert ends == pytest.approx((own.low, own.high))


@pytest.mark.parametrize("models", [1, 2])
def test_errors_at_equal_lengths_are_those_of_influences_unit_by_unit(models: int) -> None:
    frame = made(np.random.default_rng(2), models=models, shifts=(0.0, 0.1, 0.2, 0.3))
    units, _ = _prepared(frame, adjusted=True)
    fits = [Fit.of(units, model) for model in range(models)]
    weights = np.eye(4) - np.roll(np.eye(4), 1, axis=1)
    # Least squares of each model written out, in its normal equations.
    member, total, influence = np.eye(4)[units.codes], np.zeros(4), np.zeros((56, 4))
    for model in range(models):
        exog, values = np.hstack([member, units.bases[model]]), units.values[:, model]
        inverse = np.linalg.inv(exog.T @ exog)
        fit = inverse @ (exog.T @ values)
        reader = np.hstack([np.eye(4), np.tile(units.typical[model], (4, 1))])
        total += reader @ fit / models
        free = 1.0 - np.einsum("ij,jk,ik->i", exog, inverse, exog)
        left = (values - exog @ fit) / np.sqrt(free)
        influence += (exog @ inverse @ reader.T) * left[:, None] / models
    moved = influence @ weights.T
    for place, one in enumerate(contrasts(units, fits, weights)):
        assert one.estimate == pytest.approx((weights @ total)[place])
        assert one.error == pytest.approx(np.sqrt((moved[:, place] ** 2).sum()))
        parts = [(moved[units.codes == task, place] ** 2).sum() for task in range(4)]
        assert one.degrees == pytest.approx(
            np.sum(parts) ** 2 / sum(part**2 / 13 for part in parts)
        )
        assert one.skewness == pytest.approx((moved[:, place] ** 3).sum() / one.error**3)


def test_tasks_of_one_length_are_compared_by_welch_either_way() -> None:
    rng = np.random.default_rng(4)
    frame = made(rng).assign(n_tokens=9, value=rng.normal(size=56))
    means = frame.groupby("task")["value"].mean()
    task, other = means.nlargest(2).index
    welch = [
        stats.ttest_ind(
            frame.loc[frame["task"] == task, "value"],
            frame.loc[frame["task"] == name, "value"], equal_var=False,
        ).confidence_interval()
        for name in means.index.drop(task)
    ]  # fmt: skip
    for adjusted in (False, True):
        found = highest_task(frame, task, adjusted=adjusted)
        assert found.other == other
        assert found.difference.value == pytest.approx(means[task] - means[other])
        assert found.difference.low == pytest.approx(min(each.low for each in welch))
        assert found.difference.high is not None
        assert found.difference.high > min(each.high for each in welch)


@pytest.mark.parametrize("adjusted", [False, True])
def test_intervals_of_task_means_cover(adjusted: bool) -> None:
    truth, covered = np.array([0.0, 0.3, 0.6, 0.9]), []
    for number in range(120):
        rng = np.random.default_rng([7, number])
        frame = made(rng, effects=tuple(truth))
        if not adjusted:
            frame["value"] -= 2 * np.log(frame["n_tokens"].to_numpy(dtype=np.float64))
        found = task_means(frame, adjusted=adjusted)
        true = truth + (2 * np.log(frame["n_tokens"]).mean() if adjusted else 0.0)
        covered.append(((found["low"] <= true) & (true <= found["high"])).to_numpy())
    assert 0.92 < np.mean(covered) < 0.98


def test_length_alone_makes_a_task_highest_raw_and_not_adjusted() -> None:
    held = {False: 0, True: 0}
    for number in range(60):
        rng = np.random.default_rng([1, number])
        frame = made(rng, shifts=(0.0, 0.1, 0.0, 0.7), prompts=24)
        for adjusted in held:
            found = highest_task(frame, "t3", adjusted=adjusted)
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
            found = highest_task(frame, "t3", adjusted=adjusted)
            held[adjusted] += found.holds is True
        assert found.difference.low is not None
        assert found.difference.high is not None
        sds = frame.groupby("model")["value"].std()
        truth = 1.0 if models == 1 else float((1.0 / sds).mean())
        covered += found.difference.low <= truth <= found.difference.high
    assert min(held.values()) >= 36
    assert covered >= 36


def test_a_model_of_large_values_does_not_hide_what_another_does() -> None:
    frame = made(np.random.default_rng(5), effects=(0.0, 0.0, 0.0, 2.0), models=2, prompts=30)
    frame["value"] -= (frame["model"].str[1].astype(int) + 2) * np.log(frame["n_tokens"])
    noise = np.random.default_rng(6).normal(scale=599.0, size=len(frame))
    loud = frame["model"] == "m1"
    frame["value"] = np.where(loud, noise, 0.196 * frame["value"])
    found = highest_task(frame, "t3", adjusted=False)
    assert found.holds is True
    assert leading_task(frame) == "t3"


def test_another_task_that_is_higher_contradicts() -> None:
    frame = made(np.random.default_rng(0), effects=(0.0, 2.0, 0.0, 0.0))
    found = highest_task(frame, "t3", adjusted=True)
    assert (found.other, found.holds, found.reason) == ("t1", False, None)
    assert found.difference.value == pytest.approx(-2.0, abs=0.7)


def test_an_open_question_is_neither_true_nor_false() -> None:
    frame = made(np.random.default_rng(0))
    found = highest_task(frame, "t3", adjusted=True)
    assert found.holds is None
    assert found.reason == "the interval holds 0"


def test_means_of_what_happens_or_not_stay_between_0_and_1() -> None:
    rng = np.random.default_rng(5)
    frame = made(rng).assign(value=lambda rows: (rng.random(len(rows)) < 0.2) * 1.0)
    frame.loc[frame["task"] == "t0", "value"] = 0.0
    found = task_means(frame, adjusted=False, bounds=(0.0, 1.0)).set_index("task")
    assert found["low"].min() >= 0.0
    assert found.loc["t0", "low"] == 0.0
    assert found.loc["t0", "high"] == pytest.approx(0.2153, abs=1e-3)  # Wilson's of 0 of 14
    unbounded = task_means(frame, adjusted=False).set_index("task")
    assert unbounded["high"].isna().loc["t0"]
    assert unbounded.loc["t0", "reason"] == "all prompts have the same value"


def test_results_are_not_those_of_the_order_of_rows() -> None:
    frame = made(np.random.default_rng(3), models=2)
    other = frame.sample(frac=1, random_state=1)
    one, two = (task_means(rows, adjusted=True) for rows in (frame, other))
    pd.testing.assert_frame_equal(one, two)


def test_what_is_undefined_has_a_reason() -> None:
    frame = made(np.random.default_rng(0))
    few = frame.groupby("task").head(1)
    found = task_means(few, adjusted=False)
    assert found["mean"].notna().all()
    assert found["low"].isna().all()
    assert found["reason"].str.contains("one prompt tells nothing").all()
    assert task_means(frame.groupby("task").head(5), adjusted=True)["caution"].notna().all()
    flat = frame.assign(value=1.0)
    assert task_means(flat, adjusted=True)["low"].isna().all()
    apart = made(np.random.default_rng(0), shifts=(0.0, 0.0, 0.0, 3.0))
    found = task_means(apart, adjusted=True)
    assert found["mean"].isna().all()
    assert found["reason"].str.contains("hardly those of any other").all()
    for rows, said in (
        (few, "of about equal length"), (flat, "same throughout"), (apart, "hardly"),
        (frame.assign(value=np.nan), "no value"), (frame[frame["task"] == "t3"], "no other task"),
    ):  # fmt: skip
        result = highest_task(rows, "t3", adjusted=True)
        assert (result.difference.low, result.difference.high, result.holds) == (None, None, None)
        assert said in str(result.reason)


def test_a_task_that_is_not_there_is_an_error() -> None:
    frame = made(np.random.default_rng(0))
    with pytest.raises(UsageError, match="no task 't9'"):
        highest_task(frame, "t9", adjusted=True)
