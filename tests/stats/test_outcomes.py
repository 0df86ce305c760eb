"""What tells right answers from wrong ones is found where it was planted, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cortexscope.errors import UsageError
from cortexscope.stats import Outcomes, concordance, outcome_predictors

Rng = np.random.Generator


def test_concordance_of_right_and_wrong_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    right, scores = rng.integers(2, size=60), rng.integers(9, size=60)  # with ties
    found = concordance(scores, Outcomes.of(right, ["a"] * 60, range(60)))
    assert found.value == pytest.approx(roc_auc_score(right, scores), abs=1e-12)


def test_the_spread_is_that_of_delong() -> None:
    rng = np.random.default_rng(1)
    right, scores = rng.integers(2, size=50), rng.integers(9, size=50)
    found = concordance(scores, Outcomes.of(right, ["a"] * 50, range(50)))
    won = np.array([[(a > b) + 0.5 * (a == b) for b in scores[right == 0]]
                    for a in scores[right == 1]])  # fmt: skip
    ours = found.parts - found.parts.mean()
    m, n = won.shape
    plain = ((won.mean(axis=1) - won.mean()) ** 2).sum() / m**2
    plain += ((won.mean(axis=0) - won.mean()) ** 2).sum() / n**2
    assert (ours**2).sum() / 50**2 == pytest.approx(plain, rel=1e-12)
    assert found.parts.mean() == pytest.approx(found.value, abs=1e-12)


def test_pairs_are_of_one_stratum_and_of_different_scores() -> None:
    rng = np.random.default_rng(2)
    scores, told = rng.integers(4, size=40), rng.normal(size=40)
    strata = rng.integers(3, size=40)
    found = concordance(told, Outcomes.of(scores, strata, range(40)))
    pairs = [
        float(told[i] > told[j])
        for i in range(40) for j in range(40)
        if strata[i] == strata[j] and scores[i] > scores[j]
    ]  # fmt: skip
    assert found.value == pytest.approx(np.mean(pairs), abs=1e-12)


def test_no_pair_has_no_concordance() -> None:
    found = concordance([1, 2], Outcomes.of([1, 1], ["a", "a"], range(2)))
    assert np.isnan(found.value)
    assert np.isnan(found.parts).all()


def drawn(rng: Rng, *, n: int = 80, count: int = 20, signal: float = 0.0, share: float = 0.5
          ) -> dict[str, Any]:  # fmt: skip
    """Return predictors that go with length, and the one in the middle with the outcome too."""
    tasks, n_tokens = rng.integers(2, size=n), rng.integers(5, 60, size=n).astype(float)
    # Tasks differ in how hard they are, and in every predictor.
    right = (rng.random(n) < share * (0.7 + 0.6 * tasks)).astype(float)
    common = rng.normal(size=n)
    values = [common + rng.normal(size=n) + 0.02 * n_tokens + 2 * tasks for _ in range(count)]
    values[count // 2] += signal * right
    vectors = rng.normal(size=(n, 16)) + common[:, None] + 3 * tasks[:, None]
    vectors[:, 3] += signal * right
    return {
        "predictors": [*values, vectors], "outcomes": right, "tasks": tasks,
        "clusters": np.arange(n), "n_tokens": n_tokens, "surprisal": common + rng.normal(size=n),
    }  # fmt: skip


def told(rng: Rng, made: dict[str, Any]) -> pd.DataFrame:
    predictors, outcomes = made.pop("predictors"), made.pop("outcomes")
    table = outcome_predictors(predictors, outcomes, **made, rng=rng, permutations=400)
    return table[table["baseline"].isna()].reset_index(drop=True)


def test_a_planted_predictor_is_found_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    found = told(rng, drawn(rng, n=120, signal=3.0))
    assert np.flatnonzero(found["beats"].to_numpy(dtype=bool)).tolist() == [10, 20]
    row = found.iloc[10]
    assert row["difference_low"] > 0
    assert row["spearman"] > 0
    assert row["auc"] > 0.85


def test_what_length_tells_is_no_finding() -> None:
    rng = np.random.default_rng(4)
    made = drawn(rng, n=160)
    made["outcomes"] = (made["n_tokens"] + rng.normal(0, 8, 160) > 32).astype(float)
    made["predictors"][0] = made["n_tokens"] + rng.normal(0, 4, 160)
    table = outcome_predictors(**made, rng=rng, permutations=400)
    assert table["against"].dropna().unique().tolist() in (["length"], ["length and surprisal"])
    assert table.loc[table["baseline"].isna(), "auc"].iloc[0] > 0.8
    assert not table["beats"].fillna(value=False).any()


def test_a_held_out_number_is_told_by_the_other_folds_alone() -> None:
    # With one direction in all folds, AUC is that of the number itself.
    rng = np.random.default_rng(5)
    made = drawn(rng, n=100, signal=4.0)
    made["tasks"] = np.zeros(100)
    number, right = made["predictors"][10], made["outcomes"]
    found = told(rng, made)
    assert found["auc"][10] == pytest.approx(roc_auc_score(right, number), abs=0.02)


def test_scores_in_the_place_of_right_and_wrong() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(11)
    made = drawn(rng, n=100)
    made["outcomes"], made["tasks"] = rng.normal(size=100), np.zeros(100)
    made["predictors"][4] = -made["outcomes"] + rng.normal(0, 0.4, 100)
    number, scores = made["predictors"][4], made["outcomes"]
    found = told(rng, made)
    assert np.flatnonzero(found["beats"].to_numpy(dtype=bool)).tolist() == [4]
    assert found["spearman"][4] == pytest.approx(spearmanr(number, scores).statistic, abs=1e-12)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (np.ones(60), "all answers of a task have one outcome"),
        (np.zeros(60), "all answers of a task have one outcome"),
        (np.arange(60) < 4, r"there are fewer than 10 prompts \(4\) of outcome 1"),
    ],
)
def test_where_nothing_can_be_told_it_says_why(outcomes: Any, reason: str) -> None:
    rng = np.random.default_rng(7)
    made = drawn(rng, n=60) | {"outcomes": outcomes, "tasks": np.zeros(60)}
    found = told(rng, made)
    assert found["auc"].isna().all()
    assert found["beats"].isna().all()
    assert found["reason"].str.fullmatch(reason).all()


def test_without_surprisal_nothing_is_claimed() -> None:
    rng = np.random.default_rng(8)
    found = told(rng, drawn(rng, signal=3.0) | {"surprisal": None})
    assert found["auc"][10] > 0.8
    assert found["beats"].isna().all()
    assert found["reason"].str.contains("no surprisal").all()


def test_a_predictor_that_some_prompts_lack_is_judged_on_the_others() -> None:
    rng = np.random.default_rng(9)
    made = drawn(rng, n=120, signal=3.0)
    made["predictors"][10][:30] = np.nan
    made["predictors"][1][:] = np.nan
    found = told(rng, made)
    assert found["n"][10] == 90
    assert bool(found["beats"][10])
    assert found["reason"][1] == "no prompt has a value"


def test_paraphrases_are_one_unit_and_in_one_fold() -> None:
    rng = np.random.default_rng(10)
    made = drawn(rng, n=60)
    # Each prompt twice: what is known of one would give the other away.
    predictors = [*made.pop("predictors"), rng.normal(size=(60, 50))]
    twice: dict[str, Any] = {name: np.repeat(value, 2) for name, value in made.items()}
    twice["predictors"] = [np.repeat(value, 2, axis=0) for value in predictors]
    found = told(rng, twice)
    assert (found["n"] == 60).all()
    assert found["auc"].iloc[-1] < 0.7


@pytest.mark.slow
def test_chance_is_seldom_taken_for_a_finding() -> None:
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        made = drawn(rng, n=50, count=6, share=0.35)
        hits += bool(told(rng, made)["beats"].fillna(value=False).any())
    # Of 60 simulations at 5 %, as many as 8 come with a chance of 1 %.
    assert hits <= 7


def test_lengths_must_agree() -> None:
    with pytest.raises(UsageError, match="as many strata and clusters"):
        Outcomes.of([1, 0], ["a"], [0, 1])
