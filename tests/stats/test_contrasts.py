"""Contrasts of models and of tasks say what scipy and statsmodels say of the same frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from cortexscope.errors import UsageError
from cortexscope.stats._contrasts import model_contrasts, task_contrasts
from cortexscope.stats._effect_sizes import cliffs_delta, hedges_g
from cortexscope.stats._interval import interval
from cortexscope.stats._length import length_basis

pytestmark = pytest.mark.slow


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def welch(x: Any, y: Any, axis: int = 0) -> Any:
    return stats.ttest_ind(x, y, axis=axis, equal_var=False)


def values_frame(
    generator: np.random.Generator,
    *,
    models: int = 2,
    tasks: int = 3,
    n: int = 12,
    task_step: float = 0.0,
    model_step: float = 0.0,
    curve: float = 0.0,
    length_step: float = 0.0,
) -> pd.DataFrame:
    """Return values of a metric: tasks and models a step apart, and a curve in the log length."""
    codes = np.repeat(np.arange(tasks), n)
    logs = 3.5 + length_step * codes + 0.5 * generator.normal(size=len(codes))
    prompts = task_step * codes + curve * logs**2 + 0.5 * generator.normal(size=len(codes))
    frames = [
        pd.DataFrame(
            {
                "model": f"m{model}",
                "task": [f"t{code}" for code in codes],
                "prompt_id": [f"p{number}" for number in range(len(codes))],
                "cluster": [f"p{number}" for number in range(len(codes))],
                "n_tokens": np.exp(logs).round() + 1,
                "value": prompts + model_step * model + 0.5 * generator.normal(size=len(codes)),
            }
        )
        for model in range(models)
    ]
    return pd.concat(frames, ignore_index=True)


def test_models_are_compared_over_the_prompts_that_both_read() -> None:
    frame = values_frame(rng(1), models=3, tasks=2, n=8, model_step=0.4)
    frame.loc[(frame["model"] == "m1") & (frame["prompt_id"] == "p3"), "value"] = np.nan
    # All 2^16 flips are made.
    table = model_contrasts(frame, rng=rng(), permutations=70_000)
    assert len(table) == 3 * (1 + 2)
    wide = frame.pivot(index=["task", "prompt_id"], columns="model", values="value")
    for row in rows(table):
        both: Any = wide[[row.a, row.b]].dropna()
        if isinstance(row.task, str):
            both = both.loc[row.task]
        x, y = both.to_numpy().T
        assert (row.n_a, row.n_b) == (len(x), len(x))
        assert row.difference == pytest.approx(x.mean() - y.mean())
        assert row.hedges_g == pytest.approx(hedges_g(x, y, paired=True).value)
        assert row.cliffs_delta == pytest.approx(np.sign(x - y).mean())
        assert row.low < row.difference < row.high
        if len(x) < 10:
            exact = stats.permutation_test(
                (x - y,), lambda d, axis: np.abs(d.mean(axis)), permutation_type="samples",
                vectorized=True, alternative="greater",
            )  # fmt: skip
            assert row.p == pytest.approx(exact.pvalue)
        own = interval(x - y, rng=np.random.default_rng(0))
        student = stats.ttest_rel(x, y).confidence_interval()
        assert (row.low, row.high) == pytest.approx((own.low, own.high), abs=1e-9)
        assert row.low <= student.low + 1e-9
        assert row.high >= student.high - 1e-9
    assert (table["p_max_t"] >= table["p"]).all()
    assert table["p_least"].to_numpy() == pytest.approx(2.0 ** (1 - table["n_a"]))
    assert set(table["family"]) == {
        "pairs of models over all tasks",
        "pairs of models in each task",
    }


def test_paraphrases_count_once_in_a_contrast_of_models() -> None:
    frame = values_frame(rng(2), tasks=1, n=6)
    again = frame.assign(prompt_id=frame["prompt_id"] + "-para")
    both = pd.concat([frame, again])
    there, back = (
        model_contrasts(each, rng=rng(), permutations=100).drop(columns="method")
        for each in (frame, both)
    )
    pd.testing.assert_frame_equal(there, back)


def test_raw_contrasts_of_tasks_are_those_of_the_means_over_models() -> None:
    frame = values_frame(rng(3), tasks=3, n=6, task_step=0.5)
    frame = frame.loc[~((frame["task"] == "t2") & (frame["prompt_id"] == "p13"))]
    table = task_contrasts(frame, adjusted=False, rng=rng(), permutations=20_000)
    assert list(zip(table["a"], table["b"], strict=True)) == [
        ("t0", "t1"), ("t0", "t2"), ("t1", "t2"),
    ]  # fmt: skip
    every = frame.groupby("model")["value"]
    scores = frame.assign(value=(frame["value"] - every.transform("mean")) / every.transform("std"))
    means = scores.groupby(["task", "prompt_id"])["value"].mean()
    for row in rows(table):
        x, y = means[row.a].to_numpy(), means[row.b].to_numpy()
        assert (row.n_a, row.n_b) == (len(x), len(y))
        assert row.difference == pytest.approx(x.mean() - y.mean())
        assert row.hedges_g == pytest.approx(hedges_g(x, y).value)
        assert row.cliffs_delta == pytest.approx(cliffs_delta(x, y).value)
        expected = welch(x, y).confidence_interval()
        assert (row.low, row.high) == pytest.approx(expected, abs=1e-9)
        exact = stats.permutation_test(
            (x, y), lambda a, b, axis: np.abs(welch(a, b, axis).statistic), vectorized=True,
            alternative="greater",
        )  # fmt: skip
        assert row.p == pytest.approx(exact.pvalue, abs=4 * np.sqrt(exact.pvalue / 20_000))
    assert table["p_least"].to_numpy() == pytest.approx([2 / 924, 1 / 462, 1 / 462])


def test_a_difference_at_equal_lengths_is_that_of_the_analysis_of_covariance() -> None:
    frame = values_frame(rng(4), models=1, tasks=3, n=9, task_step=0.7, curve=0.3, length_step=0.1)
    table = task_contrasts(frame, adjusted=True, rng=rng(), permutations=50)
    design = np.hstack([np.repeat(np.eye(3), 9, axis=0), length_basis(frame["n_tokens"])])
    fitted = OLS(frame["value"].to_numpy(), design).fit(cov_type="HC2")
    for row in rows(table):
        contrast = np.zeros(design.shape[1])
        contrast[int(row.a[1])], contrast[int(row.b[1])] = 1.0, -1.0
        test = fitted.t_test(contrast)
        assert row.difference == pytest.approx(float(np.squeeze(test.effect)))
        # Between 8 and 24 degrees of freedom, for which Student's quantile is 2.31 and 2.06.
        half = (row.high - row.low) / 2
        assert 2.06 < half / float(np.squeeze(test.sd)) < 2.31


def test_the_permutation_at_equal_lengths_is_that_of_whole_fits() -> None:
    """Refit the analysis of covariance of two models for each permutation, one by one."""
    from cortexscope.stats._permutation import bins_of
    from cortexscope.stats._units import units_of

    frame = values_frame(rng(5), models=2, tasks=3, n=8, task_step=0.3, curve=0.2)
    table = task_contrasts(frame, adjusted=True, rng=rng(7), permutations=60)
    units = units_of(frame).alike()
    mine = units.codes < 2
    keys = rng(7).random((60, 24))[:, mine]
    # The second task's keys are turned round; units of a bin come to its places in their order.
    turned = np.where(units.codes[mine] == 1, 1 - keys, keys)
    bins = bins_of(units.logs[mine], 2)
    orders = np.empty(keys.shape, dtype=int)
    for order, own in zip(orders, turned, strict=True):
        order[np.argsort(bins, kind="stable")] = np.lexsort([own, bins])
    whole = np.eye(3)[units.codes]
    merged = np.column_stack([mine, whole[:, 2]]).astype(float)

    def left(design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slopes = np.linalg.lstsq(design, values, rcond=None)[0]
        return slopes, values - design @ slopes

    rests = [left(np.hstack([merged, units.bases[m]]), units.values[:, m])[1] for m in range(2)]

    def statistic(order: np.ndarray) -> float:
        slopes, errors = [], []
        for model, rest in enumerate(rests):
            moved = rest.copy()
            moved[mine] = rest[mine][order]
            design = np.hstack([whole, units.bases[model]])
            found = left(design, moved)
            slopes.append(found[0][0] - found[0][1])
            # HC2 of the two tasks' prompts.
            inverse = np.linalg.inv(design.T @ design)
            leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
            contrast = design @ inverse[:, 0] - design @ inverse[:, 1]
            errors.append((contrast * found[1] / np.sqrt(1 - leverage))[mine])
        return float(abs(np.mean(slopes)) / np.linalg.norm(np.mean(errors, axis=0)))

    own = statistic(np.arange(16))
    reached = sum(statistic(order) >= own - 1e-12 for order in orders)
    assert table.loc[0, "p"] == pytest.approx((reached + 1) / 61)


def test_tasks_that_differ_in_length_alone_differ_only_raw() -> None:
    raw, adjusted = 0, 0
    for seed in range(40):
        frame = values_frame(rng(seed), models=1, tasks=2, n=20, curve=0.4, length_step=0.4)
        found = [
            task_contrasts(frame, adjusted=way, rng=rng(), permutations=199)
            for way in (False, True)
        ]
        raw, adjusted = (
            count + bool(table["p"].item() <= 0.05)
            for count, table in zip((raw, adjusted), found, strict=True)
        )
    assert raw >= 15
    assert adjusted <= 6


def test_a_true_difference_is_found_at_equal_lengths() -> None:
    frame = values_frame(rng(6), tasks=2, n=30, task_step=1.0, curve=0.4, length_step=0.3)
    row = task_contrasts(frame, adjusted=True, rng=rng()).iloc[0]
    truth = -float((1.0 / frame.groupby("model")["value"].std()).mean())
    assert row["low"] < truth < row["high"] < 0
    assert "each in its own standard deviations" in row["method"]
    assert row["p"] < 0.001
    assert row["hedges_g"] < -1
    assert row["family"] == "all pairs of tasks, at equal lengths"


def test_tasks_whose_lengths_do_not_meet_are_not_compared() -> None:
    frame = values_frame(rng(7), models=1, tasks=2, n=10, curve=0.4)
    frame.loc[frame["task"] == "t1", "n_tokens"] += 5000
    row = task_contrasts(frame, adjusted=True, rng=rng(), permutations=20).iloc[0]
    assert row[["difference", "low", "p", "p_max_t", "hedges_g"]].isna().all()
    assert row["reason"]


def test_prompts_of_one_length_have_the_same_difference_raw_and_adjusted() -> None:
    frame = values_frame(rng(8), tasks=3, n=7, task_step=0.5).assign(n_tokens=20)
    raw, adjusted = (
        task_contrasts(frame, adjusted=way, rng=rng(), permutations=20) for way in (False, True)
    )
    for name in ("difference", "low", "high", "hedges_g", "hedges_g_low", "cliffs_delta_high"):
        assert adjusted[name].to_numpy() == pytest.approx(raw[name].to_numpy())


@pytest.mark.parametrize("scatter", [(1, 1, 1, 1, 1), (1, 1, 4, 4, 1)])
def test_a_family_of_tasks_errs_as_seldom_as_promised(scatter: tuple[float, ...]) -> None:
    """Tasks scatter differently, and the last one lies far off, which is no error to find."""
    erring = 0
    for seed in range(100):
        frame = values_frame(rng(seed + 1000), models=1, tasks=5, n=8)
        codes = frame["task"].str[1].astype(int).to_numpy()
        frame["value"] = frame["value"] * np.array(scatter)[codes] + 30 * (codes == 4)
        table = task_contrasts(frame, adjusted=False, rng=rng(seed), permutations=199)
        erring += bool(table.loc[table["b"] != "t4", "p_max_t"].min() <= 0.05)
        assert (table.loc[table["b"] == "t4", "p_max_t"] <= 0.05).all()
    # 5 % and 3 standard errors of 100 simulations.
    assert erring <= 11


@pytest.mark.parametrize("adjusted", [False, True])
def test_a_clear_difference_is_found_among_16_tasks(adjusted: bool) -> None:
    """Holm cannot reject one of 120 pairs with 2000 permutations: 120 / 2001 is 0.06."""
    frame = values_frame(rng(12), models=1, tasks=16, n=14)
    frame.loc[frame["task"] == "t3", "value"] += 12.0 * frame["value"].std()
    table = task_contrasts(frame, adjusted=adjusted, rng=rng(), permutations=2000)
    assert len(table) == 120
    own = table[(table["a"] == "t3") | (table["b"] == "t3")]
    assert (own["hedges_g"].abs() > 8).all()
    assert (own["p_max_t"] < 0.01).all()
    assert (table["p_least"] <= 1 / 2001).all()
    assert (table.drop(own.index)["p_max_t"] > 0.05).all()


def test_a_model_of_large_values_does_not_hide_what_another_does() -> None:
    """Beside a model with a standard deviation of 599, one of 0.196 keeps its clear effect."""
    frame = values_frame(rng(18), tasks=3, n=20, task_step=1.2)
    loud = frame["model"] == "m1"
    noise = rng(19).normal(scale=599.0, size=len(frame))
    frame["value"] = np.where(loud, noise, 0.196 * frame["value"])
    for adjusted in (False, True):
        row = task_contrasts(frame, adjusted=adjusted, rng=rng()).iloc[1]
        assert (row["a"], row["b"]) == ("t0", "t2")
        assert row["p_max_t"] < 0.05
        assert row["high"] < 0


def test_a_model_that_is_the_same_throughout_is_left_out_by_name() -> None:
    frame = values_frame(rng(20), models=3, tasks=2, n=9)
    frame.loc[frame["model"] == "m1", "value"] = 7.0
    both = task_contrasts(frame, adjusted=False, rng=rng())
    without = task_contrasts(frame[frame["model"] != "m1"], adjusted=False, rng=rng())
    pd.testing.assert_frame_equal(both.drop(columns="method"), without.drop(columns="method"))
    assert "without m1" in both["method"].iloc[0]


def test_a_model_that_reads_a_prompt_twice_is_named() -> None:
    frame = values_frame(rng(13))
    with pytest.raises(UsageError, match="twice"):
        model_contrasts(pd.concat([frame, frame]), rng=rng())


def test_a_single_model_or_task_has_no_contrasts() -> None:
    frame = values_frame(rng(14), models=1, tasks=1)
    assert len(model_contrasts(frame, rng=rng())) == 0
    for way in (False, True):
        table = task_contrasts(frame, adjusted=way, rng=rng())
        assert len(table) == 0
        assert "p_max_t" in table.columns


def test_undefined_contrasts_have_reasons_and_no_numbers() -> None:
    frame = values_frame(rng(15), models=2, tasks=2, n=1)
    for table in (
        model_contrasts(frame, rng=rng()),
        task_contrasts(frame, adjusted=False, rng=rng()),
        task_contrasts(frame, adjusted=True, rng=rng()),
    ):
        single = table.loc[table["n_a"] == 1]
        assert len(single)
        assert single[["low", "high", "p", "p_max_t"]].isna().all(axis=None)
        assert single["reason"].notna().all()


def test_values_that_do_not_vary_have_no_contrast_at_equal_lengths() -> None:
    frame = values_frame(rng(16), models=1, tasks=3, n=8)
    frame.loc[frame["task"] != "t2", "value"] = 1.0
    table = task_contrasts(frame.assign(n_tokens=9), adjusted=True, rng=rng(), permutations=20)
    assert table["reason"].tolist() == ["neither task varies", None, None]
    assert table["p"].isna().tolist() == [True, False, False]
    assert table["difference"].isna().tolist() == [True, False, False]


def test_a_task_of_one_prompt_does_not_disturb_the_others() -> None:
    frame = values_frame(rng(17), models=1, tasks=3, n=8)
    frame = frame.loc[(frame["task"] != "t2") | (frame["prompt_id"] == "p16")]
    table = task_contrasts(frame, adjusted=True, rng=rng(), permutations=20)
    assert table["reason"].notna().tolist() == [False, True, True]
    assert np.isfinite(table[["low", "high", "p"]].to_numpy()[0]).all()
