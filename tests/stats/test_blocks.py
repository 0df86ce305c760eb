"""Tasks compared inside of blocks: least squares with a mean a block, exchanges inside of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from cortexscope.stats import task_effect, units_of
from cortexscope.stats._length import length_basis
from cortexscope.stats._strata import strata_of


def made(
    rng: np.random.Generator,
    *,
    prompts: int = 60,
    blocks: int = 3,
    effect: float = 0.0,
    between: float = 0.0,
    follows: float = 0.0,
) -> pd.DataFrame:
    """Return two tasks over blocks, unevenly; `between` moves each block, `effect` task `b`.

    `follows` is by how much log length of `b` lies above, which moves the value as much.
    """
    block = np.arange(prompts) % blocks
    b = rng.random(prompts) < (block + 1) / (blocks + 1)
    logs = 3.0 + follows * b + 0.4 * rng.normal(size=prompts)
    tokens = np.rint(np.exp(logs) + 3).astype(int)
    ids = [f"p{number:03d}" for number in range(prompts)]
    value = between * block + effect * b + np.log(tokens) * (follows > 0) + rng.normal(size=prompts)
    return pd.DataFrame(
        {
            "model": "m", "task": np.where(b, "b", "a"), "prompt_id": ids, "cluster": ids,
            "n_tokens": tokens, "value": value, "block": [f"t{code}" for code in block],
        }
    )  # fmt: skip


@pytest.mark.parametrize("adjusted", [False, True])
def test_f_is_that_of_statsmodels_with_a_mean_a_block(adjusted: bool) -> None:
    frame = made(np.random.default_rng(0), effect=0.7, between=2.0, follows=0.3)
    found = task_effect(frame, rng=np.random.default_rng(0), permutations=99)
    own = found.adjusted if adjusted else found.raw
    basis = length_basis(frame["n_tokens"])
    columns = frame.assign(**{f"s{i}": column for i, column in enumerate(basis.T)})
    curve = "".join(f" + s{i}" for i in range(basis.shape[1])) if adjusted else ""
    fit = ols(f"value ~ C(block) + C(task){curve}", columns).fit()
    expected = anova_lm(fit, typ=2).loc["C(task)"]
    assert own.statistic == pytest.approx(expected["F"])
    assert (own.df, own.df_residual) == (1, fit.df_resid)
    share = expected["sum_sq"] - fit.mse_resid
    assert own.omega_squared == pytest.approx(share / (fit.centered_tss + fit.mse_resid))


def test_what_differs_between_blocks_alone_is_nothing_inside_them() -> None:
    frame = made(np.random.default_rng(1), between=3.0, prompts=120)
    apart = task_effect(frame, rng=np.random.default_rng(0), permutations=400)
    mixed = task_effect(frame.drop(columns="block"), rng=np.random.default_rng(0), permutations=400)
    assert mixed.raw.p is not None
    assert mixed.raw.p < 0.01
    assert apart.raw.p is not None
    assert apart.raw.p > 0.05
    assert apart.raw.omega_squared is not None
    assert abs(apart.raw.omega_squared) < 0.02


def test_a_task_that_fills_its_blocks_cannot_be_told() -> None:
    frame = made(np.random.default_rng(2))
    frame["block"] = frame["task"]
    found = task_effect(frame, rng=np.random.default_rng(0), permutations=99)
    assert found.raw.reason == found.adjusted.reason == "no block has prompts of two tasks"
    assert found.raw.statistic is None


def test_one_block_is_none() -> None:
    frame = made(np.random.default_rng(3), effect=0.5, follows=0.2)
    one, none = (
        task_effect(own, rng=np.random.default_rng(0), permutations=200)
        for own in (frame.assign(block="all"), frame.drop(columns="block"))
    )
    for form in ("raw", "adjusted"):
        first, second = getattr(one, form), getattr(none, form)
        assert first.statistic == pytest.approx(second.statistic)
        assert first.df_residual == second.df_residual
        assert first.p == second.p


def test_strata_lie_inside_of_blocks_and_are_of_about_equal_length() -> None:
    units = units_of(made(np.random.default_rng(4), prompts=150))
    strata = strata_of(units)
    assert units.blocks is not None
    for stratum in np.unique(strata):
        own = strata == stratum
        block = np.unique(units.blocks[own])
        assert len(block) == 1
        between = (units.blocks == block[0]) & ~own
        low, high = units.logs[own].min(), units.logs[own].max()
        assert not ((units.logs[between] > low) & (units.logs[between] < high)).any()


@pytest.mark.slow
@pytest.mark.parametrize("follows", [0.0, 0.3])
def test_p_is_even_where_the_task_does_nothing_inside_blocks(follows: float) -> None:
    """The task goes with the block, which moves values; where it follows length, so do values."""
    p = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        found = task_effect(
            made(rng, between=1.0, follows=follows, prompts=75), rng=rng, permutations=99
        )
        own = found.adjusted if follows else found.raw
        # Where lengths hardly overlap there is none.
        if own.p is not None:
            p.append(own.p - rng.random() / 100)
    assert len(p) > 120
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) < 0.10
