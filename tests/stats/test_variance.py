"""Shares of variance are least squares' and add up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from cortexscope.stats._length import length_basis
from cortexscope.stats._task_effect import task_effect
from cortexscope.stats._variance import COMPONENTS, variance_explained


def made(
    rng: np.random.Generator,
    *,
    tasks: int = 4,
    prompts: int = 15,
    models: int = 2,
    spaced: float = 0.2,
    slope: float = 1.0,
    effect: float = 1.0,
    of_prompt: float = 1.0,
) -> pd.DataFrame:
    task = np.repeat(np.arange(tasks), prompts)
    tokens = np.rint(np.exp(3.4 + spaced * task + 0.4 * rng.normal(size=len(task)))) + 3
    shared, frames = of_prompt * rng.normal(size=len(task)), []
    for model in range(models):
        value = slope * np.log(tokens) + effect * task + shared + 0.5 * rng.normal(size=len(task))
        frames.append(
            pd.DataFrame(
                {
                    "model": f"m{model}", "task": [f"t{code}" for code in task],
                    "prompt_id": [f"p{place:03d}" for place in range(len(task))],
                    "n_tokens": tokens.astype(int), "value": value + 0.7 * model,
                }
            )
        )  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(cluster=frame["prompt_id"])


def shares(frame: pd.DataFrame, column: str) -> dict[str, float]:
    return dict(variance_explained(frame).set_index("component")[column])


@pytest.mark.parametrize("models", [1, 2, 5])
@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_shares_add_up_to_1(models: int, slope: float) -> None:
    found = variance_explained(made(np.random.default_rng(0), models=models, slope=slope))
    assert list(found["component"]) == list(COMPONENTS)
    assert found["share"].sum() == pytest.approx(1.0)
    assert found["omega_squared"].sum() == pytest.approx(1.0)
    assert found["df"].sum() == 60 * models - 1
    assert (found["reason"].notna() == found["share"].isna()).all()


def test_sums_of_squares_are_statsmodels() -> None:
    frame = made(np.random.default_rng(1))
    basis = length_basis(frame["n_tokens"].iloc[:60])
    for place, column in enumerate(basis.T):
        frame[f"s{place}"] = np.tile(column, 2)
    curve = " + ".join(f"s{place}" for place in range(basis.shape[1]))
    whole = ols(f"value ~ C(model) + C(task) + {curve}", frame).fit()
    without = ols("value ~ C(model) + C(task)", frame).fit()
    blocks = ols("value ~ C(model) + C(prompt_id)", frame).fit()
    last, first = anova_lm(whole, typ=2)["sum_sq"], anova_lm(without, typ=1)["sum_sq"]
    found = variance_explained(frame).set_index("component")
    squares, total = found["sum_of_squares"], ((frame["value"] - frame["value"].mean()) ** 2).sum()
    assert squares["model"] == pytest.approx(first["C(model)"])
    assert squares["task"] == pytest.approx(last["C(task)"])
    assert squares["length"] == pytest.approx(without.ssr - whole.ssr)
    assert squares["residual"] == pytest.approx(blocks.ssr)
    assert squares["prompt"] == pytest.approx(whole.ssr - blocks.ssr)
    assert found["share_first"]["task"] == pytest.approx(first["C(task)"] / total)
    assert squares.sum() == pytest.approx(total)


@pytest.mark.parametrize("flat", [False, True])
def test_one_model_has_the_omega_squared_of_the_task_effect(flat: bool) -> None:
    frame = made(np.random.default_rng(2), models=1)
    frame = frame.assign(n_tokens=10) if flat else frame
    found = task_effect(frame, rng=np.random.default_rng(0), permutations=9).adjusted
    for name in ("omega_squared", "omega_squared_partial"):
        assert shares(frame, name)["task"] == pytest.approx(getattr(found, name))


def test_standardised_models_weigh_alike_and_do_not_differ() -> None:
    frame = made(np.random.default_rng(5), slope=0.0)
    loud = frame.assign(value=frame["value"].where(frame["model"] == "m0", 3000 * frame["value"]))
    one, two = (variance_explained(each, standardised=True) for each in (frame, loud))
    pd.testing.assert_frame_equal(one, two)
    rows = one.set_index("component")
    assert "standardised" in rows["reason"]["model"]
    assert rows["share"].sum() == pytest.approx(1.0)
    raw = shares(loud, "share")["task"]
    assert abs(raw - shares(frame, "share")["task"]) > 0.05


def test_omega_squared_is_around_the_planted_shares() -> None:
    # Variances: model 0.7 / 2 squared, task 1.25, prompt 1, residual 0.25.
    planted = np.array([0.1225, 1.25, 0.0, 0.0, 1.0, 0.25])
    found = [
        variance_explained(made(np.random.default_rng(seed), prompts=30, slope=0.0, spaced=0.0))
        for seed in range(30)
    ]
    means = np.mean([rows["omega_squared"] for rows in found], axis=0)
    np.testing.assert_allclose(means, planted / planted.sum(), atol=0.025)


def test_a_task_that_is_only_its_length_keeps_nothing() -> None:
    frame = made(np.random.default_rng(3), slope=4.0, effect=0.0, of_prompt=0.3, spaced=0.4)
    share, first = shares(frame, "share"), shares(frame, "share_first")
    assert share["task"] < 0.01
    assert first["task"] > 0.4
    assert first["task"] == pytest.approx(share["task"] + share["task or length"])


def test_what_cannot_be_told_apart_has_a_reason() -> None:
    frame = made(np.random.default_rng(4), models=1)
    reasons = dict(variance_explained(frame).set_index("component")["reason"])
    assert reasons["model"] == "there is only one model"
    assert "one model reads each prompt once" in reasons["residual"]
    assert reasons["task"] is None or pd.isna(reasons["task"])
    one = frame[frame["task"] == "t0"]
    assert variance_explained(one)["share"].notna().tolist() == [
        False, False, True, False, True, False,
    ]  # fmt: skip
    assert variance_explained(one)["share"].sum() == pytest.approx(1.0)
    nested = frame.assign(n_tokens=10 + frame["task"].str[1].astype(int))
    reasons = dict(variance_explained(nested).set_index("component")["reason"])
    assert "length alone tells" in reasons["task"]
    assert "one length each" in reasons["length"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(value=1.5), "same throughout"),
        (lambda frame: frame.assign(value=np.nan), "no prompt has a value"),
        (lambda frame: frame.groupby(["model", "task"]).head(1), "too few"),
    ],
)
def test_nothing_is_split_where_nothing_can_be(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    found = variance_explained(change(made(np.random.default_rng(0))))
    assert found[["share", "share_first", "omega_squared"]].isna().all(axis=None)
    assert found["reason"].str.contains(said).all()
