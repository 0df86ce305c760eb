"""A probe finds the layer that tells the tasks apart, and nothing where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._features import vector_features
from cortexscope.stats._probe import probe_layers

TASKS = 4
EACH = 15
_NAMES = np.repeat([f"task {letter}" for letter in "abcd"], EACH)
_CODES = np.repeat(np.arange(TASKS), EACH)


def _lengths(rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(5, 200, TASKS * EACH)


def _texts(rng: np.random.Generator) -> list[str]:
    return [" ".join(rng.choice([*"abcdefgh"], 8)) for _ in _CODES]


def _planted(rng: np.random.Generator, *, layers: int, at: int) -> NDArray[np.float64]:
    vectors = rng.normal(size=(layers, TASKS * EACH, 30))
    vectors[at] += 2.0 * rng.normal(size=(TASKS, 30))[_CODES]
    return vectors


@pytest.mark.slow
def test_the_layer_with_the_tasks_in_it_is_found_and_beats_the_baselines() -> None:
    rng = np.random.default_rng(0)
    found = probe_layers(
        _planted(rng, layers=4, at=2), _NAMES, n_tokens=_lengths(rng), texts=_texts(rng), rng=rng
    )
    layers: Any = found.layers.set_index("layer")
    assert layers["accuracy"].idxmax() == found.peak.layer == 2
    assert layers.loc[2, "accuracy"] > 0.9
    assert layers["beats"].tolist() == [False, False, True, False]
    assert 0 < layers.loc[2, "p"] <= layers.loc[2, "p_max_t"] < 0.01
    assert found.peak.accuracy.low is not None
    assert found.peak.accuracy.low > 0.25
    assert found.chance == 0.25
    assert found.n == 60
    assert layers.loc[2, "selectivity"] == layers.loc[2, "accuracy"] - layers.loc[2, "control"]


@pytest.mark.slow
def test_random_vectors_are_told_at_chance_and_intervals_hold_it() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(20, TASKS * EACH, 20))
    found = probe_layers(vectors, _NAMES, n_tokens=_lengths(rng), texts=_texts(rng), rng=rng).layers
    assert found["accuracy"].mean() == pytest.approx(0.25, abs=0.03)
    assert found["control"].mean() == pytest.approx(0.25, abs=0.03)
    assert ((found["low"] <= 0.25) & (found["high"] >= 0.25)).mean() >= 0.8
    assert not found["beats"].any()


@pytest.mark.slow
def test_a_peak_by_luck_is_not_found_again_on_the_other_half() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(20, TASKS * EACH, 20))
    peak = probe_layers(vectors, _NAMES, n_tokens=_lengths(rng), texts=_texts(rng), rng=rng).peak
    assert peak.chosen_accuracy is not None
    assert peak.accuracy.value is not None
    assert peak.chosen_accuracy > 0.35
    assert peak.accuracy.value < 0.35


def test_accuracy_is_scikit_learns_of_the_same_pipeline() -> None:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(3)
    values = rng.normal(size=(TASKS * EACH, 30)) @ rng.normal(size=(30, 30))
    values[:, :4] += 10 * np.eye(TASKS)[_CODES]
    keep = np.arange(len(_CODES)) % 7 != 0  # tasks of different sizes
    found = probe_layers(
        values[None, keep], _NAMES[keep], n_tokens=_lengths(rng)[keep],
        texts=[*np.array(_texts(rng))[keep]], rng=np.random.default_rng(4),
    )  # fmt: skip
    draws = np.random.default_rng(4)
    draws.permutation(int(keep.sum()))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=int(draws.integers(2**31)))
    # Division by the root of 30 features is the same as a penalty that is 30 times as strong.
    model = make_pipeline(
        StandardScaler(), PCA(30, svd_solver="full"),
        LogisticRegression(C=10 / 30, class_weight="balanced", max_iter=1000),
    )  # fmt: skip
    groups = np.unique(np.arange(keep.sum()).astype(str), return_inverse=True)[1]
    told = cross_val_predict(model, values[keep], _CODES[keep], groups=groups, cv=folds)
    assert 0.3 < found.layers.accuracy[0] < 1.0
    assert found.layers.accuracy[0] == pytest.approx(balanced_accuracy_score(_CODES[keep], told))


@pytest.mark.parametrize("prompts", [60, 300])
def test_components_are_scikit_learns_up_to_sign(prompts: int) -> None:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(5)
    values = rng.normal(size=(prompts, 150)) @ rng.normal(size=(150, 150)) + 100.0
    train, test = np.arange(10, prompts), np.arange(10)
    known, asked = vector_features(values)(train, test)
    assert known.shape[1] == min(100, len(train) - 1)
    steps = make_pipeline(StandardScaler(), PCA(known.shape[1], svd_solver="full"))
    reference = np.vstack([steps.fit_transform(values[train]), steps.transform(values[test])])
    mine = np.vstack([known, asked])[:, ::-1] * np.sqrt(150)
    np.testing.assert_allclose(np.abs(mine), np.abs(reference), rtol=1e-6, atol=1e-8)


def test_accuracy_counts_a_prompt_once_however_many_paraphrases_it_has() -> None:
    from sklearn.metrics import balanced_accuracy_score

    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(40), rng.integers(1, 5, 40))
    tasks = np.where(clusters % 2 == 0, "even", "odd")
    # One feature that all paraphrases of a prompt share: what is told is its sign.
    shown = rng.normal(size=40)[clusters] + np.where(clusters % 2 == 0, 1.5, -1.5)
    found = probe_layers(
        shown[None, :, None], tasks, clusters, n_tokens=np.full(len(tasks), 9),
        texts=["word"] * len(tasks), rng=rng,
    )  # fmt: skip
    weight = 1 / np.bincount(clusters)[clusters]
    threshold = balanced_accuracy_score(
        tasks, np.where(shown > 0, "even", "odd"), sample_weight=weight
    )
    assert found.layers.accuracy[0] == pytest.approx(threshold, abs=0.08)
    assert found.n == 40


@pytest.mark.slow
def test_paraphrases_never_leak_between_folds() -> None:
    """Paraphrases with the same random vector give away their task only if they are parted."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(60), 2)
    tasks = np.repeat(_NAMES, 2)
    vectors = np.repeat(rng.normal(size=(60, 50)), 2, axis=0)[None].repeat(6, axis=0)
    vectors += 0.01 * rng.normal(size=vectors.shape)
    lengths, texts = np.full(120, 9), ["word"] * 120

    def accuracy(groups: NDArray[np.int64] | None) -> float:
        found = probe_layers(vectors, tasks, groups, n_tokens=lengths, texts=texts, rng=rng)
        return float(found.layers.accuracy.mean())

    assert accuracy(clusters) < 0.4
    assert accuracy(None) > 0.7


def test_what_length_alone_tells_does_not_count_as_the_models() -> None:
    rng = np.random.default_rng(8)
    lengths = np.exp(rng.normal([2.0, 3.0, 4.0, 5.0], 0.3, size=(EACH, 4))).T.ravel()
    vectors = np.log(lengths)[:, None] * rng.normal(size=20) + 0.5 * rng.normal(
        size=(3, TASKS * EACH, 20)
    )
    found = probe_layers(vectors, _NAMES, n_tokens=lengths, texts=_texts(rng), rng=rng)
    length, words = found.baselines.accuracy
    assert length > 0.7 > words
    assert (found.layers.accuracy > 0.6).all()
    assert not found.layers.beats.any()


def test_what_words_tell_does_not_count_as_the_models() -> None:
    rng = np.random.default_rng(9)
    texts = [f"{word} the {rng.integers(9)}" for word in np.array([*"ABCD"])[_CODES]]
    found = probe_layers(
        _planted(rng, layers=1, at=0), _NAMES, n_tokens=_lengths(rng), texts=texts, rng=rng
    )
    assert found.baselines.accuracy[1] == pytest.approx(1.0)
    assert found.layers.accuracy[0] > 0.9
    assert not found.layers.beats[0]


@pytest.mark.slow
def test_no_layer_beats_baselines_by_luck_more_often_than_stated() -> None:
    rng = np.random.default_rng(10)
    names, beaten = np.repeat(["a", "b"], 12), 0
    for _ in range(30):
        found = probe_layers(
            rng.normal(size=(2, 24, 5)), names, n_tokens=rng.integers(5, 50, 24),
            texts=["word"] * 24, rng=rng, folds=3, permutations=199,
        )  # fmt: skip
        beaten += bool(found.layers.beats.any())
    assert beaten <= 4  # 1.5 are expected at most; more than 4 has a chance of 2 %


@pytest.mark.slow
def test_one_seed_gives_one_answer() -> None:
    vectors = _planted(np.random.default_rng(11), layers=2, at=0)
    lengths, texts = _lengths(np.random.default_rng(0)), _texts(np.random.default_rng(0))

    def once() -> str:
        rng = np.random.default_rng(5)
        found = probe_layers(vectors, _NAMES, n_tokens=lengths, texts=texts, rng=rng)
        return found.layers.to_csv() + found.baselines.to_csv() + repr(found.peak)

    assert once() == once()


def test_what_is_undefined_has_a_reason() -> None:
    rng = np.random.default_rng(12)
    vectors = [*_planted(rng, layers=4, at=0)]
    vectors[1] = np.full_like(vectors[1], np.nan)
    vectors[2][3] = np.nan
    vectors[3][:] = 1.0
    stack = [*vectors, None]
    found = probe_layers(
        stack, _NAMES, n_tokens=np.full(60, 8), texts=["", *_texts(rng)[1:]], rng=rng
    )
    assert found.layers.reason.tolist() == [
        "there is no baseline to compare with",
        "there are no vectors at this layer",
        "1 of 60 prompts have no finite vector at this layer",
        "all prompts have the same vector",
        "there are no vectors at this layer",
    ]
    assert found.layers["accuracy"].notna().tolist() == [True, *[False] * 4]
    numbers = found.layers.drop(columns=["layer", "reason"])
    assert numbers.iloc[1:].isna().all(axis=None)
    assert found.baselines.reason.tolist() == [
        "all prompts have one length",
        "a prompt has no text",
    ]
    assert found.peak.layer == 0


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (slice(0, 15), "there are fewer than 2 tasks"),
        (slice(0, 18), "task b has fewer prompts (3) than the 5 folds"),
        (slice(0, 0), "there are fewer than 2 tasks"),
    ],
)
def test_too_few_prompts_are_undefined_with_a_reason(kept: slice, reason: str) -> None:
    rng = np.random.default_rng(13)
    found = probe_layers(
        _planted(rng, layers=2, at=0)[:, kept], _NAMES[kept], n_tokens=_lengths(rng)[kept],
        texts=_texts(rng)[kept], rng=rng,
    )  # fmt: skip
    assert found.reason == reason
    assert found.layers.reason.tolist() == [reason, reason]
    assert found.baselines.reason.tolist() == [reason, reason]
    assert found.layers.accuracy.isna().all()
    assert found.peak.layer is None


def test_layers_that_tell_nothing_leave_no_best_one() -> None:
    rng = np.random.default_rng(16)
    found = probe_layers(
        np.ones((2, 60, 4)), _NAMES, n_tokens=_lengths(rng), texts=_texts(rng), rng=rng
    )
    assert found.peak.layer is None
    assert found.reason == "all prompts have the same vector"
    assert found.baselines.accuracy.notna().all()


def test_prompts_without_any_vector_are_left_out() -> None:
    rng = np.random.default_rng(14)
    vectors = _planted(rng, layers=2, at=1)
    vectors[:, [0, 20]] = np.nan
    found = probe_layers(vectors, _NAMES, n_tokens=_lengths(rng), texts=_texts(rng), rng=rng)
    assert (found.n, found.left_out) == (58, 2)
    assert found.layers.accuracy.notna().all()


def test_rows_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(15)
    vectors, lengths, texts = _planted(rng, layers=2, at=0), _lengths(rng), _texts(rng)
    with pytest.raises(UsageError, match="60 prompts need as many texts"):
        probe_layers(vectors, _NAMES, n_tokens=lengths, texts=texts[1:], rng=rng)
    with pytest.raises(UsageError, match="Layer 0 needs one vector for each of 60"):
        probe_layers(vectors[:, 1:], _NAMES, n_tokens=lengths, texts=texts, rng=rng)
    with pytest.raises(UsageError, match="at least 2 folds"):
        probe_layers(vectors, _NAMES, n_tokens=lengths, texts=texts, rng=rng, folds=1)
    with pytest.raises(UsageError, match="different tasks"):
        probe_layers(
            vectors, _NAMES, np.zeros(60, dtype=int), n_tokens=lengths, texts=texts, rng=rng
        )
