"""The mixed model is statsmodels', and says where it is not to be trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.api import OLS, MixedLM

from cortexscope.stats._length import length_basis
from cortexscope.stats._mixed import mixed_model


def made(
    rng: np.random.Generator,
    *,
    tasks: int = 3,
    prompts: int = 12,
    models: int = 3,
    copies: int = 1,
    of_prompt: float = 1.0,
    effect: float = 0.5,
    missing: float = 0.0,
) -> pd.DataFrame:
    rows = []
    for task in range(tasks):
        for prompt in range(prompts):
            shared = of_prompt * rng.normal()
            for copy in range(copies):
                tokens = int(np.exp(rng.normal(3.4, 0.5))) + 3
                rows += [
                    {
                        "model": f"m{model}", "task": f"t{task}",
                        "prompt_id": f"t{task}-{prompt}-{copy}", "cluster": f"t{task}-{prompt}",
                        "n_tokens": tokens + 2 * model,
                        "value": np.log(tokens) + shared + effect * task + 0.3 * model
                        + 0.5 * rng.normal(),
                    }
                    for model in range(models)
                    if rng.random() >= missing
                ]  # fmt: skip
    return pd.DataFrame(rows)


def theirs(frame: pd.DataFrame, *, curved: bool) -> Any:
    """Return statsmodels' fit, the constant and task first."""
    task = pd.get_dummies(frame["task"]).to_numpy(dtype=float)
    model = pd.get_dummies(frame["model"], drop_first=True).to_numpy(dtype=float)
    parts = [np.ones((len(frame), 1)), task[:, 1:], model]
    if curved:
        basis = length_basis(frame["n_tokens"])
        left, _, _ = np.linalg.svd(basis - basis.mean(axis=0), full_matrices=False)
        parts.append(left * np.sqrt(len(frame)))
    exog = np.hstack(parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MixedLM(frame["value"].to_numpy(), exog, frame["cluster"].to_numpy()).fit(
            reml=True, gtol=1e-8
        )


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"models": 1, "copies": 3}, {"copies": 2, "missing": 0.2, "models": 2}]
)
def test_the_fit_is_statsmodels(options: dict[str, float], curved: bool) -> None:
    frame = made(np.random.default_rng(0), **options)  # type: ignore[arg-type]
    model = mixed_model(frame)
    ours = model.adjusted if curved else model.raw
    fit = theirs(frame, curved=curved)
    assert ours.variance_residual == pytest.approx(fit.scale, rel=1e-4)
    assert ours.variance_prompt == pytest.approx(fit.cov_re[0, 0], rel=1e-4)
    assert ours.log_likelihood == pytest.approx(fit.llf, abs=1e-5)
    coefficients = fit.fe_params
    covariance = fit.cov_params()[: len(coefficients), : len(coefficients)]
    own = coefficients[1:3]
    expected = own @ np.linalg.solve(covariance[1:3, 1:3], own)
    # Theirs is the observed information, which also holds how means and variances go together.
    assert ours.task.statistic == pytest.approx(expected, rel=0.02 if curved else 0.005)
    assert ours.task.df == 2
    assert ours.task.p == pytest.approx(stats.chi2.sf(ours.task.statistic, 2))
    assert (ours.converged, ours.singular, ours.reason) == (True, False, None)
    assert ours.method.startswith("REML")


def test_balanced_raw_variances_are_those_of_mean_squares() -> None:
    frame = made(np.random.default_rng(1))
    wide = frame.pivot(index=["task", "cluster"], columns="model", values="value")
    means = wide.mean(axis=1)
    within = means - means.groupby("task").transform("mean")
    left = wide.sub(means, axis=0) - (wide.mean() - wide.to_numpy().mean())
    residual = float((left**2).to_numpy().sum()) / (35 * 2)
    of_prompts = 3 * float((within**2).sum()) / 33
    found = mixed_model(frame).raw
    assert found.variance_residual == pytest.approx(residual, rel=1e-5)
    assert found.variance_prompt == pytest.approx((of_prompts - residual) / 3, rel=1e-5)
    between = 12 * float(((wide.mean() - wide.to_numpy().mean()) ** 2).sum())
    assert found.model.statistic == pytest.approx(3 * between / residual, rel=1e-5)


def test_residuals_are_described_as_scipy_does() -> None:
    frame = made(np.random.default_rng(2))
    fit = theirs(frame, curved=False)
    left = fit.resid
    found = mixed_model(frame).raw.residuals
    assert found is not None
    assert found.skewness == pytest.approx(stats.skew(left), abs=1e-3)
    assert found.kurtosis == pytest.approx(stats.kurtosis(left), abs=1e-3)
    assert found.normality == pytest.approx(stats.shapiro(left).statistic, abs=0.01)
    order = np.argsort(fit.fittedvalues)
    thirds = left[order[-36:]].std() / left[order[:36]].std()
    assert found.spread_ratio == pytest.approx(thirds, rel=0.02)


def test_the_order_of_prompts_with_one_fitted_value_decides_nothing() -> None:
    rng = np.random.default_rng(5)
    frame = made(rng, models=1, tasks=4, prompts=40)
    # Lengths of which every task has several prompts.
    frame["n_tokens"] = 10 + frame.groupby("task").cumcount() % 7
    ratios = set()
    for _ in range(8):
        # Rows are read in the order of their prompts' names.
        names = dict(zip(frame["prompt_id"], rng.permutation(len(frame)).astype(str), strict=True))
        named = frame.assign(prompt_id=frame["prompt_id"].map(names))
        found = mixed_model(named.assign(cluster=named["prompt_id"])).adjusted.residuals
        assert found is not None
        assert found.spread_ratio is not None
        ratios.add(round(found.spread_ratio, 9))
    assert len(ratios) == 1


def test_residuals_that_scatter_more_at_large_values_show() -> None:
    frame = made(np.random.default_rng(3), prompts=40, effect=3.0)
    noise = np.random.default_rng(4).standard_t(3, size=len(frame))
    frame["value"] += frame["task"].str[1].astype(int) * noise
    found = mixed_model(frame).raw.residuals
    assert found is not None
    assert found.spread_ratio is not None
    assert found.spread_ratio > 2
    assert found.kurtosis > 1
    assert found.normality < 0.97


def test_prompts_that_do_not_differ_are_a_singular_fit() -> None:
    frame = made(np.random.default_rng(0), of_prompt=0.0)
    # Prompts' means that are alike: less than chance puts in.
    frame["value"] -= frame.groupby("cluster")["value"].transform("mean")
    found = mixed_model(frame).raw
    assert (found.singular, found.variance_prompt, found.converged) == (True, 0.0, True)
    assert found.task.p is not None


def test_one_model_without_paraphrases_is_least_squares() -> None:
    frame = made(np.random.default_rng(5), models=1)
    found = mixed_model(frame)
    exog = pd.get_dummies(frame["task"]).to_numpy(dtype=float)
    expected = OLS(frame["value"].to_numpy(), exog).fit()
    test = expected.f_test(np.array([[-1, 1, 0], [-1, 0, 1]]))
    assert found.raw.task.statistic == pytest.approx(2 * float(test.fvalue))
    assert found.raw.task.p == pytest.approx(float(test.pvalue))
    assert found.raw.method == "ordinary least squares"
    assert "(1 | prompt)" not in found.raw.formula
    assert "one value each" in str(found.raw.reason)
    assert (found.raw.variance_prompt, found.raw.singular, found.raw.converged) == (None,) * 3
    assert found.raw.variance_residual == pytest.approx(expected.scale)
    assert found.raw.model.reason == "there is only one model"


def test_tasks_of_one_prompt_are_least_squares() -> None:
    found = mixed_model(made(np.random.default_rng(5), prompts=1)).raw
    assert found.method == "ordinary least squares"
    assert "one prompt each" in str(found.reason)


def test_the_metrics_unit_does_not_matter() -> None:
    frame = made(np.random.default_rng(6))
    one = mixed_model(frame).adjusted
    two = mixed_model(frame.assign(value=5 + 1e-7 * frame["value"])).adjusted
    assert two.task.statistic == pytest.approx(one.task.statistic, rel=1e-5)
    assert two.length.statistic == pytest.approx(one.length.statistic, rel=1e-5)
    assert one.variance_prompt is not None
    assert two.variance_prompt == pytest.approx(1e-14 * one.variance_prompt, rel=1e-5)


def test_length_is_found_and_left_out_of_the_raw_model() -> None:
    frame = made(np.random.default_rng(7), prompts=20)
    found = mixed_model(frame.assign(value=frame["value"] + 2 * np.log(frame["n_tokens"])))
    assert found.raw.length.reason == "length is left out"
    assert found.adjusted.length.p is not None
    assert found.adjusted.length.p < 1e-3
    assert found.adjusted.formula == "value ~ 1 + task + model + spline(log tokens) + (1 | prompt)"


def test_p_is_never_0() -> None:
    found = mixed_model(made(np.random.default_rng(8), effect=500.0, prompts=30)).raw
    assert found.task.p is not None
    assert 0 < found.task.p < 1e-300


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(value=1.0), "same throughout"),
        (lambda frame: frame.assign(value=np.nan), "no prompt has a value"),
        (lambda frame: frame.head(2), "too few"),
        (lambda frame: frame[frame["model"].str[1] == frame["task"].str[1]], "told apart"),
        (
            lambda frame: frame.assign(value=frame["task"].str[1].astype(float)),
            "explain every value",
        ),
    ],
)
def test_what_is_undefined_has_a_reason(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    found = mixed_model(change(made(np.random.default_rng(0)))).raw
    assert (found.task.p, found.model.p, found.variance_residual) == (None, None, None)
    assert said in str(found.reason)
    assert said in str(found.task.reason)


@pytest.mark.slow
def test_wald_tests_reject_more_often_than_promised_with_few_prompts() -> None:
    rng, rejected = np.random.default_rng(9), []
    frame = made(rng, prompts=4)
    groups = frame.groupby("cluster").ngroup().to_numpy()
    for _ in range(150):
        noise = rng.normal(size=12)[groups] + 0.5 * rng.normal(size=len(frame))
        found = mixed_model(frame.assign(value=noise)).raw.task.p
        assert found is not None
        rejected.append(found <= 0.05)
    # Chi squared where F of 2 and 9 degrees of freedom holds: 10 %.
    assert 0.055 < np.mean(rejected) < 0.16
