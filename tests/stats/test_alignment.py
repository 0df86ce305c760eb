"""Linear CKA equals its formula on whole Gram matrices, and knows what it must not see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexscope.stats import linear_cka, representational_similarity


def hsic(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741 - as in the paper
    """Return equation 5 of Song et al. 2012, with K and L whose diagonals are 0."""
    n, one = len(k), np.ones(len(k))
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    total = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return float((total - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3)))


def plain_cka(one: np.ndarray, two: np.ndarray) -> float:
    k, l = one @ one.T, two @ two.T  # noqa: E741
    return float(hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l)))


@pytest.mark.parametrize("n", [4, 5, 30, 120])
def test_it_is_the_formula_on_gram_matrices(n: int) -> None:
    rng = np.random.default_rng(n)
    shared = rng.normal(size=(n, 3))
    first = [shared @ rng.normal(size=(3, 20)) + rng.normal(size=(n, 20)) for _ in range(3)]
    second = [shared @ rng.normal(size=(3, 7)) + rng.normal(size=(n, 7)) + 5 for _ in range(2)]
    found = linear_cka([first, second])
    wanted = [[plain_cka(one, two) for two in second] for one in first]
    np.testing.assert_allclose(found, np.clip(wanted, -1, 1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.diag(linear_cka([first])), 1)


def test_few_prompts_of_many_unrelated_features_are_not_alike() -> None:
    """Without the correction, this mean is above 0.9."""
    rng = np.random.default_rng(0)
    found = [
        linear_cka([[rng.normal(size=(20, 300))], [rng.normal(size=(20, 300))]])[0, 0]
        for _ in range(200)
    ]
    assert abs(np.mean(found)) < 0.02


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_turns_shifts_and_scales_change_nothing(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(12, 6)), rng.normal(size=(12, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    before = linear_cka([[one], [two]])[0, 0]
    after = linear_cka([[scale * one @ turn + 3], [two]])[0, 0]
    assert after == pytest.approx(before, abs=1e-9)


def test_what_has_no_value_is_undefined() -> None:
    layer = np.random.default_rng(0).normal(size=(6, 3))
    found = linear_cka([[layer, "nothing was kept", np.full((6, 3), 2.0)]])
    assert found[0, 0] == pytest.approx(1)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 2]).all()
    assert np.isnan(linear_cka([[layer[:3]]])).all()


def test_it_stands_beside_rho_of_the_same_prompts() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(3, 24, 5)), rng.normal(size=(2, 24, 8))
    second[0, :, :5] += 2 * first[1]
    found = representational_similarity(
        first, second, n_tokens=rng.integers(5, 40, 24), rng=rng, permutations=10
    ).pairs
    for row in found.to_dict("records"):
        wanted = plain_cka(first[row["layer"]], second[row["other"]])
        assert row["cka"] == pytest.approx(wanted, abs=1e-9)
    assert found["cka_adjusted"].notna().all()
    best = found.iloc[int(found["cka"].argmax())]
    assert (best["layer"], best["other"]) == (1, 0)
