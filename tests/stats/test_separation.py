"""Silhouettes are scikit-learn's, and their p-values do not take length for a task."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._separation import max_t_of, silhouette_by_layer

_NAMES = np.repeat(["calm", "lively", "odd"], [12, 9, 15])
_LENGTHS = np.random.default_rng(99).integers(5, 80, 36)


def _planted(rng: np.random.Generator, *, layers: int, at: int) -> NDArray[np.float64]:
    vectors = rng.normal(size=(layers, 36, 10))
    vectors[at] += 2 * rng.normal(size=(3, 10))[np.unique(_NAMES, return_inverse=True)[1]]
    return vectors


def test_silhouettes_are_scikit_learns() -> None:
    from sklearn.metrics import silhouette_samples, silhouette_score
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    vectors = _planted(rng, layers=3, at=1) + 5.0
    found = silhouette_by_layer(vectors, _NAMES, n_tokens=_LENGTHS, rng=rng, permutations=19)
    by_task = found.tasks.set_index(["layer", "task"])
    for layer, values in enumerate(vectors):
        scaled = StandardScaler().fit_transform(values)
        whole = silhouette_score(scaled, _NAMES, metric="cosine")
        assert found.layers.silhouette[layer] == pytest.approx(whole)
        each = silhouette_samples(scaled, _NAMES, metric="cosine")
        for task in np.unique(_NAMES):
            mean = each[task == _NAMES].mean()
            assert by_task.loc[(layer, task), "silhouette"] == pytest.approx(mean)
    assert by_task.loc[(0, "odd"), "n"] == 15


def test_adjusted_silhouettes_are_those_of_what_a_curve_in_log_tokens_leaves() -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import silhouette_score
    from sklearn.preprocessing import StandardScaler

    from cortexscope.stats._length import length_basis

    rng = np.random.default_rng(1)
    vectors = _planted(rng, layers=1, at=0) + np.log(_LENGTHS)[:, None]
    found = silhouette_by_layer(vectors, _NAMES, n_tokens=_LENGTHS, rng=rng, permutations=19)
    basis = np.column_stack([length_basis(_LENGTHS), 1 / _LENGTHS])
    left = vectors[0] - LinearRegression().fit(basis, vectors[0]).predict(basis)
    left = StandardScaler().fit_transform(left)
    assert found.layers.adjusted[0] == pytest.approx(
        silhouette_score(left, _NAMES, metric="cosine")
    )


def test_the_layer_with_the_tasks_in_it_is_the_one_that_is_found() -> None:
    rng = np.random.default_rng(2)
    found = silhouette_by_layer(
        _planted(rng, layers=5, at=3), _NAMES, n_tokens=_LENGTHS, rng=rng, permutations=199
    ).layers
    assert found.silhouette.idxmax() == 3
    assert found.p[3] == found.p_max_t[3] == found.adjusted_p_max_t[3] == 1 / 200
    assert (found.drop(index=3).p_max_t > 0.05).all()
    assert (found.p_max_t >= found.p).all()


def test_tasks_that_differ_only_in_length_are_found_raw_and_not_adjusted() -> None:
    rng = np.random.default_rng(3)
    raw, adjusted = 0, 0
    for _ in range(40):
        lengths = np.exp(rng.normal([2.5, 3.0, 3.5], 0.5, size=(14, 3))).T.ravel()
        bent = np.stack([np.log(lengths), np.log(lengths) ** 2 / 5, np.sqrt(lengths)], axis=1)
        vectors = bent @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(42, 8))
        found = silhouette_by_layer(
            vectors[None], np.repeat([*"abc"], 14), n_tokens=lengths, rng=rng, permutations=99
        ).layers
        raw += found.p[0] <= 0.05
        adjusted += found.adjusted_p[0] <= 0.05
    assert raw >= 30
    assert adjusted <= 5  # 2 are expected; more than 5 has a chance of 2 %


def test_paraphrases_of_a_prompt_count_once() -> None:
    vectors = _planted(np.random.default_rng(4), layers=2, at=0)
    once = silhouette_by_layer(
        vectors, _NAMES, n_tokens=_LENGTHS, rng=np.random.default_rng(0), permutations=19
    )
    twice = silhouette_by_layer(
        vectors.repeat(2, axis=1), _NAMES.repeat(2), np.arange(36).repeat(2),
        n_tokens=_LENGTHS.repeat(2), rng=np.random.default_rng(0), permutations=19,
    )  # fmt: skip
    assert twice.n == once.n == 36
    np.testing.assert_allclose(twice.layers.silhouette, once.layers.silhouette)
    np.testing.assert_array_equal(twice.layers.p, once.layers.p)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_no_silhouette_depends_on_the_size_of_features(
    seed: int, scale: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    vectors = _planted(rng, layers=1, at=0)
    sizes = scale ** np.arange(-1.0, 1.5, 0.25)

    def silhouette(values: NDArray[np.float64]) -> float:
        found = silhouette_by_layer(values, _NAMES, n_tokens=_LENGTHS, rng=rng, permutations=1)
        return float(found.layers.silhouette[0])

    assert silhouette(vectors * sizes + shift) == pytest.approx(silhouette(vectors), abs=1e-6)


def test_p_values_of_many_positions_count_all_of_them() -> None:
    found = np.array([3.0, 0.0, np.nan])
    permuted = np.array([[0.0, 1.0, np.nan], [1.0, 5.0, np.nan], [2.0, -2.0, np.nan]])
    p, together = max_t_of(found, permuted)
    np.testing.assert_allclose(p, [1 / 4, 3 / 4, np.nan])
    # In deviations: 1.34, -1.34, -0.45, 0.45 and -0.39, 0, 1.57, -1.18; the larger of both: 1.34,
    # 0, 1.57, 0.45.
    np.testing.assert_allclose(together, [2 / 4, 4 / 4, np.nan])


def test_what_is_undefined_has_a_reason() -> None:
    rng = np.random.default_rng(5)
    vectors = [*_planted(rng, layers=4, at=0)]
    vectors[1][:] = 7.0
    vectors[2][0, 0] = np.inf
    vectors[3] = np.log(_LENGTHS)[:, None] * np.ones(4)
    found = silhouette_by_layer(
        [*vectors, None], _NAMES, n_tokens=_LENGTHS, rng=rng, permutations=9
    )
    assert found.layers.reason.tolist() == [
        None,
        "all prompts have the same vector",
        "1 of 36 prompts have no finite vector at this layer",
        "length alone explains every vector",
        "there are no vectors at this layer",
    ]
    assert found.layers.silhouette.isna().tolist() == [False, True, True, False, True]
    assert found.layers.adjusted.isna().tolist() == [False, True, True, True, True]
    assert (found.layers.p.dropna() > 0).all()


def test_a_task_of_one_prompt_is_left_out_with_a_reason() -> None:
    rng = np.random.default_rng(6)
    names = np.array(["lonely", *_NAMES[1:]])
    found = silhouette_by_layer(
        _planted(rng, layers=1, at=0), names, n_tokens=_LENGTHS, rng=rng, permutations=9
    )
    assert (found.n, found.left_out) == (35, 1)
    lonely = found.tasks.set_index("task").loc["lonely"]
    assert np.isnan(lonely.silhouette)
    assert lonely.reason == "the task has a single prompt"
    one = silhouette_by_layer(
        rng.normal(size=(1, 4, 3)), ["a", "a", "a", "b"], n_tokens=[5] * 4, rng=rng
    )
    assert one.layers.reason.tolist() == ["there are fewer than 2 tasks with 2 prompts"]


def test_rows_that_do_not_fit_are_refused() -> None:
    vectors, rng = np.zeros((2, 3, 4)), np.random.default_rng(0)
    with pytest.raises(UsageError, match="Every prompt needs a task, a cluster"):
        silhouette_by_layer(vectors, ["a", "b", "b"], n_tokens=[1, 2], rng=rng)
    with pytest.raises(UsageError, match=r"Layer 0 needs one vector .* has the shape \(3, 4\)"):
        silhouette_by_layer(vectors, ["a", "b"], n_tokens=[1, 2], rng=rng)
