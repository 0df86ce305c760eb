"""What a number does: scipy's rho, a partial correlation by hand, statsmodels' curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, rankdata, spearmanr
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from cortexscope.stats import number_effect
from cortexscope.stats._length_curve import LengthCurve
from cortexscope.stats._ranks import ranks_of, resampled_correlations


def made(
    rng: np.random.Generator,
    *,
    prompts: int = 60,
    effect: float = 0.0,
    follows: float = 0.0,
    blocks: int = 0,
) -> pd.DataFrame:
    """Return values that rise with length and, by `effect`, with a number that follows it."""
    logs = 3.0 + 0.5 * rng.normal(size=prompts)
    tokens = np.rint(np.exp(logs) + 3).astype(int)
    number = np.round(follows * logs + rng.normal(size=prompts), 1)
    value = 2.0 * np.log(tokens) + effect * number + rng.normal(size=prompts)
    ids = [f"p{number:03d}" for number in range(prompts)]
    frame = pd.DataFrame(
        {
            "model": "m", "task": "t", "prompt_id": ids, "cluster": ids, "n_tokens": tokens,
            "value": value, "number": number,
        }
    )  # fmt: skip
    if blocks:
        block = np.arange(prompts) % blocks
        frame = frame.assign(block=[f"t{own}" for own in block], value=value + 9.0 * block)
        frame["number"] += 4.0 * block
    return frame


def test_rho_is_scipys() -> None:
    frame = made(np.random.default_rng(0), effect=0.8)
    own = number_effect(frame, rng=np.random.default_rng(0), permutations=999)
    expected = spearmanr(frame["number"], frame["value"])
    assert own.raw.rho.value == pytest.approx(expected.statistic)
    assert own.raw.p == pytest.approx(expected.pvalue, abs=0.01)
    assert own.raw.rho.n == own.n == 60


def test_partial_rho_is_a_partial_correlation_of_ranks_by_hand() -> None:
    frame = made(np.random.default_rng(1), effect=0.5, follows=1.0)
    own = number_effect(frame, rng=np.random.default_rng(0), permutations=99)
    x, y = (rankdata(frame[name]) for name in ("number", "value"))
    z = np.log(frame["n_tokens"].to_numpy())
    knots = np.quantile(z, np.linspace(0.05, 0.95, 7))

    def bent(knot: float) -> np.ndarray:
        """The truncated powers of Hastie, Tibshirani and Friedman, 5.2.1."""
        last = np.maximum(z - knots[-1], 0) ** 3
        return np.asarray((np.maximum(z - knot, 0) ** 3 - last) / (knots[-1] - knot))

    parts = [bent(knot) - bent(knots[-2]) for knot in knots[:-2]]
    beside = np.column_stack([np.ones(len(z)), z, *parts])
    left = [row - beside @ np.linalg.lstsq(beside, row, rcond=None)[0] for row in (x, y)]
    assert own.adjusted.rho.value == pytest.approx(np.corrcoef(*left)[0, 1])


@pytest.mark.slow
def test_a_number_that_is_nearly_the_length_finds_nothing_in_what_bends_along_it() -> None:
    p = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        tokens = rng.integers(8, 120, size=200)
        words = np.rint(tokens * rng.uniform(0.7, 0.8, size=200))
        value = 0.7 / np.sqrt(tokens) + 0.004 * rng.normal(size=200)
        frame = made(rng, prompts=200).assign(n_tokens=tokens, number=words, value=value)
        own = number_effect(frame, rng=rng, permutations=99, resamples=2)
        assert own.adjusted.p is not None
        p.append(own.adjusted.p)
    assert np.mean(np.array(p) <= 0.05) < 0.10


@pytest.mark.parametrize("adjusted", [False, True])
def test_the_curve_is_that_of_statsmodels(adjusted: bool) -> None:
    frame = made(np.random.default_rng(2), effect=0.4, follows=0.5)
    own = number_effect(frame, rng=np.random.default_rng(0), permutations=99)
    effect = (own.adjusted if adjusted else own.raw).curve
    number = frame["number"].to_numpy()
    parts = {"n": LengthCurve.over_logs(number, df=3).columns_of_logs(number)}
    parts["s"] = LengthCurve.over(frame["n_tokens"]).columns(frame["n_tokens"])
    columns = {f"{key}{i}": own for key, rows in parts.items() for i, own in enumerate(rows.T)}
    terms = [name for name in columns if adjusted or name.startswith("n")]
    fit = ols("value ~ " + " + ".join(terms), frame.assign(**columns)).fit()
    without = ols(
        "value ~ " + " + ".join(["1", *(name for name in terms if name.startswith("s"))]),
        frame.assign(**columns),
    ).fit()
    expected = anova_lm(without, fit).iloc[1]
    assert effect.statistic == pytest.approx(expected["F"])
    share = expected["ss_diff"] - expected["df_diff"] * fit.mse_resid
    assert effect.omega_squared == pytest.approx(share / (fit.centered_tss + fit.mse_resid))


def test_a_curve_sees_what_turns_around_and_rho_does_not() -> None:
    rng = np.random.default_rng(3)
    frame = made(rng, prompts=80)
    frame["value"] = (frame["number"] - frame["number"].median()) ** 2 + 0.3 * rng.normal(size=80)
    own = number_effect(frame, rng=rng, permutations=199)
    assert own.raw.curve.omega_squared is not None
    assert own.raw.curve.omega_squared > 0.5
    assert own.raw.rho.value is not None
    assert abs(own.raw.rho.value) < 0.4


def test_a_number_that_follows_length_does_nothing_beyond_it() -> None:
    own = number_effect(
        made(np.random.default_rng(4), follows=3.0, prompts=100), rng=np.random.default_rng(0)
    )
    assert own.raw.p is not None
    assert own.raw.p < 0.01
    assert own.adjusted.p is not None
    assert own.adjusted.p > 0.05


def test_inside_blocks_ranks_are_each_blocks_own() -> None:
    frame = made(np.random.default_rng(5), prompts=90, effect=-0.8, blocks=3)
    together = number_effect(frame.drop(columns="block"), rng=np.random.default_rng(0))
    apart = number_effect(frame, rng=np.random.default_rng(0))
    assert together.raw.rho.value is not None
    assert together.raw.rho.value > 0.5
    groups = [own for _, own in frame.groupby("block")]
    # Blocks of one size weigh the same: rho inside them is the mean of theirs.
    by_hand = np.mean([spearmanr(own["number"], own["value"]).statistic for own in groups])
    assert apart.raw.rho.value == pytest.approx(by_hand, abs=0.01)
    assert apart.raw.rho.high is not None
    assert apart.raw.rho.high < 0
    one = number_effect(frame.assign(block="all"), rng=np.random.default_rng(0))
    assert one.raw.rho.value == pytest.approx(together.raw.rho.value)
    assert one.raw.p == together.raw.p


def test_resampled_ranks_are_those_of_a_resample_by_hand() -> None:
    rng = np.random.default_rng(6)
    x, y, z = rng.integers(9, size=(3, 30)).astype(float)
    blocks = np.zeros(30, dtype=np.intp)
    beside = np.linalg.qr(np.column_stack([np.ones(30), z, z**2]))[0]
    found = resampled_correlations(x, y, blocks, beside, rng=np.random.default_rng(1), resamples=5)
    again = np.random.default_rng(1).integers(30, size=(5, 30))
    for raw, own, places in zip(*found, again, strict=True):
        ranks = [rankdata(row[places]) for row in (x, y)]
        assert raw == pytest.approx(np.corrcoef(*ranks)[0, 1])
        there = beside[places]
        left = [row - there @ np.linalg.lstsq(there, row, rcond=None)[0] for row in ranks]
        assert own == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-6)
    np.testing.assert_allclose(ranks_of(x, blocks), rankdata(x) / 31 - 0.5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": 3.0}, "the number is the same throughout"),
        ({"value": 3.0}, "the value is the same throughout"),
        ({"value": np.nan}, "no prompt has a value in every model"),
    ],
)
def test_what_cannot_be_told_says_why(change: dict[str, float], reason: str) -> None:
    own = number_effect(
        made(np.random.default_rng(7)).assign(**change), rng=np.random.default_rng(0)
    )
    for slope in (own.raw, own.adjusted):
        assert (slope.rho.value, slope.p, slope.rho.reason) == (None, None, reason)
        assert slope.reason == slope.curve.reason == reason


def test_a_number_that_is_the_length_is_not_told_from_it() -> None:
    frame = made(np.random.default_rng(8))
    own = number_effect(frame.assign(number=frame["n_tokens"]), rng=np.random.default_rng(0))
    assert own.raw.rho.value is not None
    assert (
        own.adjusted.reason
        == "length alone tells the numbers apart, so what they do cannot be told"
    )


def test_paraphrases_are_one_prompt() -> None:
    frame = made(np.random.default_rng(9), effect=0.5)
    twice = pd.concat([frame, frame.assign(prompt_id=frame["prompt_id"] + "-p")])
    one, two = (
        number_effect(own, rng=np.random.default_rng(0), permutations=199) for own in (frame, twice)
    )
    assert two.n == one.n
    assert two.raw.rho == one.raw.rho
    assert two.raw.p == one.raw.p


@pytest.mark.slow
@pytest.mark.parametrize("adjusted", [False, True])
def test_p_is_even_where_the_number_does_nothing(adjusted: bool) -> None:
    p = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        frame = made(rng, prompts=40, follows=1.0 if adjusted else 0.0)
        own = number_effect(frame, rng=rng, permutations=99, resamples=2)
        slope = own.adjusted if adjusted else own.raw
        assert slope.p is not None
        p.append(slope.p - rng.random() / 100)
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) < 0.10


@pytest.mark.slow
@pytest.mark.parametrize(("prompts", "adjusted"), [(20, False), (60, False), (60, True)])
def test_intervals_hold_about_as_often_as_they_say(prompts: int, adjusted: bool) -> None:
    def drawn(rng: np.random.Generator, count: int) -> pd.DataFrame:
        return made(rng, prompts=count, effect=0.8, follows=0.5)

    large = drawn(np.random.default_rng(99), 40_000)
    whole = number_effect(large, rng=np.random.default_rng(0), permutations=2, resamples=2)
    truth = (whole.adjusted if adjusted else whole.raw).rho.value
    assert truth is not None
    held = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        own = number_effect(drawn(rng, prompts), rng=rng, permutations=2, resamples=300)
        rho = (own.adjusted if adjusted else own.raw).rho
        assert rho.low is not None
        assert rho.high is not None
        held.append(rho.low <= truth <= rho.high)
    assert 0.92 <= np.mean(held) <= 0.98
