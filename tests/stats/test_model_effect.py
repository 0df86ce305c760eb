"""The model effect: a two-way analysis over the same prompts, raw and at equal token counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from cortexscope.stats._model_effect import model_effect
from cortexscope.stats._units import units_of


def made(
    rng: np.random.Generator,
    *,
    models: int = 2,
    prompts: int = 14,
    factor: float = 1.0,
    slope: float = 0.0,
    effect: float = 0.0,
    uneven: float = 1.0,
) -> pd.DataFrame:
    """Three tasks; the last model has `effect` more and `factor` times as many tokens."""
    task = np.repeat(np.arange(3), prompts)
    logs, shared = rng.normal(3.6, 0.5, len(task)), rng.normal(size=len(task))
    frames = []
    for model in range(models):
        last = model == models - 1
        ratio = (factor if last else 1.0) * np.exp(0.05 * rng.normal(size=len(task)))
        tokens = np.rint(np.exp(logs) * ratio) if factor != 1.0 else np.rint(np.exp(logs))
        noise = shared + 0.4 * uneven**model * rng.normal(size=len(task))
        frames.append(
            pd.DataFrame(
                {
                    "model": f"m{model}", "task": [f"t{code}" for code in task],
                    "prompt_id": [f"p{place:03d}" for place in range(len(task))],
                    "n_tokens": tokens.astype(int) + 3,
                    "value": slope * np.log(tokens + 3) + noise + effect * last,
                }
            )
        )  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(cluster=frame["prompt_id"])


@pytest.mark.parametrize("models", [2, 4])
def test_raw_f_is_that_of_statsmodels_two_way_analysis(models: int) -> None:
    frame = made(np.random.default_rng(0), models=models, effect=0.2)
    found = model_effect(frame, rng=np.random.default_rng(0), permutations=99).raw
    table = anova_lm(ols("value ~ C(model) + C(prompt_id)", frame).fit(), typ=2)
    assert found.statistic == pytest.approx(table.loc["C(model)", "F"])
    assert (found.df, found.df_residual) == (models - 1, 41 * (models - 1))
    left = table.loc["Residual", "sum_sq"] / found.df_residual
    own = table.loc["C(model)", "sum_sq"] - found.df * left
    assert found.omega_squared_partial == pytest.approx(own / (own + 42 * models * left))
    # Of all variance: that of models, of prompts as a random factor, and of the rest.
    prompts = (table.loc["C(prompt_id)", "sum_sq"] / 41 - left) / models
    share = own / (42 * models)
    assert found.omega_squared == pytest.approx(share / (share + prompts + left))


def test_two_models_give_students_paired_t_squared() -> None:
    frame = made(np.random.default_rng(1), effect=0.2)
    found = model_effect(frame, rng=np.random.default_rng(0), permutations=9999).raw
    wide = frame.pivot(index="prompt_id", columns="model", values="value")
    expected = ttest_rel(wide["m1"], wide["m0"])
    assert found.statistic == pytest.approx(expected.statistic**2)
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_p_is_the_share_of_all_signs() -> None:
    apart = np.array([0.3, 1.0, -0.2, 0.7, 0.4])
    frame = pd.DataFrame(
        {
            "model": np.repeat(["a", "b"], 5), "task": "t", "prompt_id": list("pqrst") * 2,
            "n_tokens": 9, "value": np.concatenate([np.zeros(5), apart]),
        }
    )  # fmt: skip
    sums = [abs(np.dot(signs, apart)) for signs in product((-1, 1), repeat=5)]
    exact = np.mean(np.array(sums) >= apart.sum() - 1e-9)
    found = model_effect(
        frame.assign(cluster=frame["prompt_id"]),
        rng=np.random.default_rng(0),
        permutations=20_000,
    )
    assert found.raw.p == pytest.approx(exact, abs=0.01)


def test_one_tokenizer_leaves_nothing_to_adjust() -> None:
    frame = made(np.random.default_rng(2), slope=2.0, effect=0.3)
    found = model_effect(frame, rng=np.random.default_rng(0), permutations=199)
    assert found.adjusted.p == found.raw.p == found.p
    assert found.adjusted.statistic == found.raw.statistic
    assert "one length in all" in found.adjusted.method


def test_adjusting_finds_an_effect_that_tokens_hide() -> None:
    # 1.5 times the tokens add 0.81 where a slope of 2 takes them, and the model takes it off.
    frame = made(np.random.default_rng(3), factor=1.5, slope=2.0, effect=-2 * np.log(1.5))
    found = model_effect(frame, rng=np.random.default_rng(0), permutations=999)
    assert found.raw.p is not None
    assert found.p is not None
    assert found.raw.p > 0.05
    assert found.p < 0.01


@pytest.mark.parametrize(
    "options",
    [
        {"models": 2},
        {"models": 4, "uneven": 1.7},
        {"models": 2, "factor": 1.4, "slope": 3.0},
        {"models": 3, "factor": 1.3, "slope": 3.0, "prompts": 10},
    ],
)
def test_models_that_do_the_same_are_told_apart_as_often_as_promised(
    options: dict[str, float],
) -> None:
    found = []
    for suite in range(25):
        rng = np.random.default_rng([5, suite])
        frame = made(rng, **options)  # type: ignore[arg-type]
        units = units_of(frame)
        n, models = units.values.shape
        tokens = frame["n_tokens"].to_numpy().reshape(models, n).T
        scatter = 0.4 * options.get("uneven", 1.0) ** np.arange(models)
        for _ in range(20):
            noise = rng.normal(size=(n, 1)) + scatter * rng.normal(size=(n, models))
            values = options.get("slope", 0.0) * np.log(tokens) + noise
            effect = model_effect(replace(units, values=values), rng=rng, permutations=199)
            found.append((effect.p, effect.raw.p))
    default, raw = (np.array(found, dtype=float) <= 0.05).mean(axis=0)
    # 500 simulations of a test that rejects 5 % reject 2.6 to 7.8 % in 99 of 100 tries.
    assert 0.026 <= default <= 0.078
    assert raw > 0.9 or "slope" not in options


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame[frame["model"] == "m0"], "only one model"),
        (lambda frame: frame.assign(value=np.nan), "no prompt has a value"),
        (lambda frame: frame[frame["prompt_id"] == "p000"], "one prompt is too few"),
        (lambda frame: frame.assign(value=frame["n_tokens"]), "same values"),
        (lambda frame: frame.assign(value=frame["model"].str[1].astype(float)), "differ alike"),
    ],
)
def test_what_is_undefined_has_a_reason(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    frame = change(made(np.random.default_rng(0)))
    found = model_effect(frame, rng=np.random.default_rng(0), permutations=99)
    for effect in (found.raw, found.adjusted):
        assert (effect.statistic, effect.p) == (None, None)
        assert said in str(effect.reason)


def test_lengths_that_do_not_vary_within_tasks_leave_the_adjusted_effect_undefined() -> None:
    frame = made(np.random.default_rng(0))
    task, model = frame["task"].str[1].astype(int), frame["model"].str[1].astype(int)
    found = model_effect(
        frame.assign(n_tokens=10 + task + 5 * model), rng=np.random.default_rng(0), permutations=99
    )
    assert found.raw.p is not None
    assert found.p is None
    assert "vary too little" in str(found.adjusted.reason)
