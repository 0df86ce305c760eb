"""Representational similarity is Spearman's rho of distances, tested by Mantel's exchanges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kstest, pearsonr, rankdata, spearmanr, zscore

from cortexscope.errors import UsageError
from cortexscope.stats._length import length_basis
from cortexscope.stats._similarity import representational_similarity

_LENGTHS = np.random.default_rng(99).integers(5, 80, 30)


def _models(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two models that share what they see at layers 1 and 0, and nothing else."""
    shared = rng.normal(size=(30, 6))
    first, second = rng.normal(size=(3, 30, 12)), rng.normal(size=(2, 30, 9))
    first[1] += 2 * shared @ rng.normal(size=(6, 12))
    second[0] += 2 * shared @ rng.normal(size=(6, 9))
    return first, second


def test_rho_is_scipys_of_scipys_distances() -> None:
    rng = np.random.default_rng(0)
    first, second = _models(rng)
    found = representational_similarity(first, second, n_tokens=_LENGTHS, rng=rng, permutations=9)
    lengths = pdist(np.log(_LENGTHS)[:, None], "cityblock")
    pairs: Any = found.pairs.itertuples()
    for row in pairs:
        one = pdist(zscore(first[row.layer]), "correlation")
        two = pdist(zscore(second[row.other]), "correlation")
        assert row.rho == pytest.approx(spearmanr(one, two).statistic)
    layers: Any = found.length.itertuples()
    for row in layers:
        values = (first, second)[row.model][row.layer]
        assert row.rho == pytest.approx(
            spearmanr(pdist(zscore(values), "correlation"), lengths).statistic
        )
    assert len(found.pairs) == 6
    assert len(found.length) == 5


def test_adjusted_is_the_partial_correlation_without_a_curve_in_length() -> None:
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(1)
    first, second = _models(rng)
    first += np.log(_LENGTHS)[:, None] * rng.normal(size=12)
    found = representational_similarity(first, second, n_tokens=_LENGTHS, rng=rng, permutations=9)
    columns = np.column_stack([length_basis(_LENGTHS), 1 / _LENGTHS])
    whole = np.column_stack([np.ones(30), columns])
    left = np.eye(30) - whole @ np.linalg.pinv(whole)
    pull = 1 - left / np.sqrt(np.outer(np.diag(left), np.diag(left)))
    pull = squareform(np.round(pull, 12), checks=False)
    apart = rankdata(pdist(np.log(_LENGTHS)[:, None], "cityblock"))
    given = np.column_stack([apart, rankdata(pull), pull])

    def rest(values: NDArray[np.float64]) -> NDArray[np.float64]:
        free = values - LinearRegression().fit(columns, values).predict(columns)
        ranks = rankdata(pdist(zscore(free), "correlation"))
        return np.asarray(ranks - LinearRegression().fit(given, ranks).predict(given))

    pairs: Any = found.pairs.itertuples()
    for row in pairs:
        partial = pearsonr(rest(first[row.layer]), rest(second[row.other])).statistic
        assert row.adjusted == pytest.approx(partial, abs=1e-6)


def test_the_layers_that_see_the_same_are_the_ones_that_are_found() -> None:
    rng = np.random.default_rng(2)
    found = representational_similarity(
        *_models(rng), n_tokens=_LENGTHS, rng=rng, permutations=199
    ).pairs.set_index(["layer", "other"])
    assert found.rho.idxmax() == (1, 0)
    assert found.p[1, 0] == found.p_max_t[1, 0] == found.adjusted_p_max_t[1, 0] == 1 / 200
    assert (found.drop(index=(1, 0)).p_max_t > 0.05).all()


def test_one_model_is_compared_with_itself_each_pair_once() -> None:
    rng = np.random.default_rng(3)
    first, _ = _models(rng)
    alone = representational_similarity(first, n_tokens=_LENGTHS, rng=rng, permutations=9).pairs
    both = representational_similarity(
        first, first, n_tokens=_LENGTHS, rng=rng, permutations=9
    ).pairs.set_index(["layer", "other"])
    assert [*zip(alone.layer, alone.other, strict=True)] == [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(
        alone.rho, both.rho.loc[[*zip(alone.layer, alone.other, strict=True)]]
    )
    np.testing.assert_allclose([both.rho[i, i] for i in range(3)], 1.0)


@pytest.mark.slow
def test_p_values_of_unrelated_models_are_uniform() -> None:
    rng = np.random.default_rng(4)
    found = [
        representational_similarity(
            rng.normal(size=(1, 12, 5)), rng.normal(size=(1, 12, 5)),
            n_tokens=rng.integers(5, 50, 12), rng=rng, permutations=39,
        ).pairs
        for _ in range(100)
    ]  # fmt: skip
    for column in ("p", "adjusted_p"):
        values = np.array([float(pairs[column][0]) for pairs in found])
        assert kstest(values - rng.uniform(0, 1 / 40, 100), "uniform").pvalue > 0.01


@pytest.mark.slow
def test_models_that_see_only_length_are_alike_raw_and_not_adjusted() -> None:
    rng = np.random.default_rng(5)
    raw, adjusted = 0, 0
    for _ in range(40):
        lengths = np.maximum(4, np.round(np.exp(rng.normal(3.3, 0.8, 100))))
        seen = np.stack([np.log(lengths), 20 / lengths, np.sqrt(lengths) / 3], axis=1)
        models = [seen @ rng.normal(size=(3, 20)) + rng.normal(size=(100, 20)) for _ in range(2)]
        found = representational_similarity(
            models[0][None], models[1][None], n_tokens=lengths, rng=rng, permutations=99
        ).pairs
        raw += found.p[0] <= 0.05
        adjusted += found.adjusted_p[0] <= 0.05
    assert raw >= 38
    assert adjusted <= 6  # 2 are expected; more than 6 has a chance of 0.3 %


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_nothing_depends_on_the_size_or_order_of_features(
    seed: int, scale: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, 15, 6))
    changed = (values * scale ** np.arange(-1.0, 2.0, 0.5) + shift)[:, :, rng.permutation(6)]
    found = representational_similarity(
        values, changed, n_tokens=_LENGTHS[:15], rng=rng, permutations=9
    )
    assert found.pairs.rho[0] == pytest.approx(1.0, abs=1e-6)


def test_clusters_are_averaged_and_no_more_than_the_most_are_taken() -> None:
    rng = np.random.default_rng(6)
    first, second = _models(rng)
    once = representational_similarity(first, second, n_tokens=_LENGTHS, rng=rng, permutations=9)
    twice = representational_similarity(
        first.repeat(2, axis=1), second.repeat(2, axis=1), np.arange(30).repeat(2),
        n_tokens=_LENGTHS.repeat(2), rng=rng, permutations=9,
    )  # fmt: skip
    np.testing.assert_allclose(once.pairs.rho, twice.pairs.rho)
    few = representational_similarity(
        first, second, n_tokens=_LENGTHS, rng=rng, permutations=9, most=20
    )
    assert (few.n, few.left_out) == (20, 10)


def test_what_is_undefined_has_a_reason() -> None:
    rng = np.random.default_rng(7)
    first = [*_models(rng)[0]]
    first[0] = first[0][:, :1]
    second = [None, rng.normal(size=(30, 4))]
    found = representational_similarity(
        first, second, n_tokens=np.full(30, 6), rng=rng, permutations=9
    )
    flat, gone = (
        "a prompt has the same value in every feature",
        "there are no vectors at this layer",
    )
    assert found.pairs.reason.tolist() == [flat, flat, gone, None, gone, None]
    assert found.pairs.rho.isna().tolist() == [True, True, True, False, True, False]
    np.testing.assert_allclose(found.pairs.adjusted, found.pairs.rho)
    assert found.length.reason.tolist()[1:] == ["all prompts have one length"] * 2 + [
        gone,
        "all prompts have one length",
    ]
    assert (found.pairs.p.dropna() > 0).all()
    few = representational_similarity(
        rng.normal(size=(1, 4, 3)), rng.normal(size=(1, 4, 3)), n_tokens=[1, 2, 3, 4], rng=rng
    )
    assert few.pairs.reason.tolist() == ["there are fewer than 5 prompts"]
    assert np.isnan(few.pairs.rho[0])


def test_prompts_that_one_model_has_no_vector_of_are_left_out_of_both() -> None:
    rng = np.random.default_rng(8)
    first, second = _models(rng)
    kept = np.arange(30) > 1
    whole = representational_similarity(
        first[:, kept], second[:, kept], n_tokens=_LENGTHS[kept], rng=rng, permutations=9
    )
    first[:, 0], second[:, 1] = np.nan, np.nan
    found = representational_similarity(first, second, n_tokens=_LENGTHS, rng=rng, permutations=9)
    assert (found.n, found.left_out) == (28, 2)
    np.testing.assert_allclose(found.pairs.rho, whole.pairs.rho)


def test_models_of_different_prompts_are_refused() -> None:
    rng = np.random.default_rng(9)
    first, second = _models(rng)
    with pytest.raises(UsageError, match="Layer 0 needs one vector for each of 30"):
        representational_similarity(first, second[:, 1:], n_tokens=_LENGTHS, rng=rng)
