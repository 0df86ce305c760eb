"""Tests by exchange are those of scipy, exact where they can be, and allow for many layers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cortexscope.errors import UsageError
from cortexscope.stats._exchanges import _lowest, relabellings, sign_flips
from cortexscope.stats._max_t import max_t_paired, max_t_unpaired

Floats = NDArray[np.float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def alike(count: int, positions: int, generator: np.random.Generator) -> Floats:
    """Return prompts whose neighbouring positions are much alike, as layers are."""
    return 0.3 * generator.normal(size=(count, positions)) + generator.normal(size=(count, 1))


def test_statistics_are_those_of_scipy() -> None:
    x, y = rng(1).normal(size=(9, 3)), rng(2).normal(size=(7, 3))
    assert max_t_paired(x, rng=rng()).t == pytest.approx(stats.ttest_1samp(x, 0).statistic)
    welch = stats.ttest_ind(x, y, equal_var=False).statistic
    assert max_t_unpaired(x, y, rng=rng()).t == pytest.approx(welch)


def test_all_sign_flips_give_the_p_value_of_scipy() -> None:
    differences = rng(3).normal(0.5, 1, 9)
    exact = stats.permutation_test(
        (differences,), lambda row: np.abs(row.mean()), permutation_type="samples",
        vectorized=False, alternative="greater",
    )  # fmt: skip
    found = max_t_paired(differences, rng=rng())
    assert found.p[0] == pytest.approx(exact.pvalue)
    assert found.method == "all 512 sign flips"


def test_random_relabellings_put_the_lowest_draws_first() -> None:
    rows = relabellings(30, 25, rng=np.random.default_rng(3), permutations=50).rows
    draws = np.random.default_rng(3).random((50, 55))
    for row, own in zip(rows, draws, strict=True):
        assert set(np.flatnonzero(row)) == set(np.argsort(own)[:30])
    assert _lowest(np.array([[0.5, 0.2, 0.5, 0.5]]), 2).tolist() == [[1.0, 1.0, 0.0, 0.0]]
    assert _lowest(np.ones((1, 2)), 0).tolist() == [[0.0, 0.0]]


def test_positions_inside_groups_are_those_of_an_array_with_holes() -> None:
    differences = alike(60, 3, rng(20)) + 0.3
    differences[::7, 1] = np.nan
    groups = np.array(["b", "a", "c"] * 20)
    holes = np.column_stack(
        [
            np.where(groups == name, column, np.nan)
            for column in differences.T
            for name in ("a", "b", "c")
        ]
    )
    apart = max_t_paired(differences, groups=groups, rng=rng(), permutations=200)
    dense = max_t_paired(holes, rng=rng(), permutations=200)
    for field in ("t", "p", "p_adjusted", "p_least"):
        np.testing.assert_allclose(getattr(apart, field), getattr(dense, field), rtol=1e-12)
    assert apart.reasons == dense.reasons
    with pytest.raises(UsageError, match="need as many groups"):
        max_t_paired(differences, groups=groups[:9], rng=rng())
    doubled, twice = np.repeat(differences, 2, axis=0), np.repeat(groups, 2)
    names = np.repeat([f"{place:02d}" for place in range(60)], 2)
    again = max_t_paired(doubled, names, groups=twice, rng=rng(), permutations=200)
    assert again.p.tolist() == apart.p.tolist()


def test_all_relabellings_give_the_p_value_of_scipy() -> None:
    x, y = rng(4).normal(0.8, 1, 6), rng(5).normal(0, 2, 5)
    exact = stats.permutation_test(
        (x, y), lambda a, b, axis: np.abs(stats.ttest_ind(a, b, axis=axis, equal_var=False)[0]),
        vectorized=True, alternative="greater",
    )  # fmt: skip
    found = max_t_unpaired(x, y, rng=rng())
    assert found.p[0] == pytest.approx(exact.pvalue)
    assert found.method == "all 462 relabellings"


def test_random_exchanges_come_close_to_all_of_them() -> None:
    differences = rng(6).normal(0.4, 1, 12)
    everything = max_t_paired(differences, rng=rng()).p[0]
    some = max_t_paired(differences, rng=rng(), permutations=4000).p[0]
    assert some == pytest.approx(everything, abs=0.02)


def test_step_down_p_values_are_those_found_one_by_one() -> None:
    values = alike(6, 4, rng(7)) + np.array([0.0, 0.5, 1.0, 0.2])
    found = max_t_paired(values, rng=rng())
    flips = np.array(list(product([1.0, -1.0], repeat=6)))
    drawn = np.array(
        [np.abs(stats.ttest_1samp(values * row[:, None], 0).statistic) for row in flips]
    )
    own = np.abs(found.t)
    order, highest = np.argsort(-own), 0.0
    for place, position in enumerate(order):
        largest = drawn[:, order[place:]].max(axis=1)
        highest = max(highest, float(np.mean(largest >= own[position] - 1e-9)))
        assert found.p_adjusted[position] == pytest.approx(highest)
    assert (found.p_adjusted >= found.p - 1e-12).all()


def test_a_family_without_effect_errs_as_often_as_alpha() -> None:
    erring, generator = 0, rng(8)
    for _ in range(300):
        found = max_t_paired(alike(12, 20, generator), rng=generator, permutations=199)
        erring += bool(found.p_adjusted.min() <= 0.05)
    assert erring / 300 == pytest.approx(0.05, abs=0.03)


def test_welchs_test_keeps_its_level_where_the_smaller_group_scatters_more() -> None:
    # Each position is a simulation; they share their relabellings.
    x, y = 3 * rng(9).normal(size=(10, 1000)), rng(10).normal(size=(30, 1000))
    assert np.mean(max_t_unpaired(x, y, rng=rng(), permutations=2000).p <= 0.05) <= 0.08


def test_neighbouring_layers_cost_less_than_bonferroni_takes() -> None:
    values = alike(12, 30, rng(10)) + 0.75
    found = max_t_paired(values, rng=rng())
    assert found.p_adjusted.min() < 0.5 * min(1.0, 30 * found.p.min())


def test_paraphrases_move_together() -> None:
    values, clusters = np.arange(8.0) + 1, [0, 0, 1, 1, 2, 2, 3, 3]
    found = max_t_paired(values, clusters, rng=rng())
    assert found.p[0] == 2 / 16
    assert found.method == "all 16 sign flips"
    apart = max_t_unpaired(values, values + 20, clusters=(clusters, clusters), rng=rng())
    assert apart.p[0] == pytest.approx(2 / 70)


def test_blocks_of_exchanges_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = alike(10, 5, rng(11))
    whole = max_t_paired(values, rng=rng())
    monkeypatch.setattr("cortexscope.stats._max_t._BLOCK", 37)
    parts = max_t_paired(values, rng=rng())
    assert (parts.p == whole.p).all()
    assert (parts.p_adjusted == whole.p_adjusted).all()


def test_positions_without_values_are_undefined_and_leave_others_alone() -> None:
    values = rng(12).normal(0.5, 1, (8, 4))
    values[:, 1] = np.nan
    values[:, 3] = 2.0
    found = max_t_paired(values, rng=rng())
    assert found.reasons == (
        None, "fewer than 2 prompts have a value", None, "all prompts have the same value",
    )  # fmt: skip
    assert np.isnan(found.p[[1, 3]]).all()
    assert np.isnan(found.p_adjusted[[1, 3]]).all()
    alone = max_t_paired(values[:, [0, 2]], rng=rng())
    assert (found.p[[0, 2]] == alone.p).all()
    assert (found.p_adjusted[[0, 2]] == alone.p_adjusted).all()
    other = max_t_unpaired(np.ones((3, 1)), np.ones((3, 1)), rng=rng())
    assert other.reasons == ("neither group varies",)


def test_a_missing_value_is_left_out_of_its_position_alone() -> None:
    values = rng(13).normal(0.5, 1, (8, 2))
    values[3, 1] = np.nan
    found = max_t_paired(values, rng=rng())
    assert found.t[1] == pytest.approx(stats.ttest_1samp(np.delete(values[:, 1], 3), 0).statistic)
    assert found.p[1] == pytest.approx(max_t_paired(np.delete(values[:, 1], 3), rng=rng()).p[0])


def test_no_p_value_is_0() -> None:
    found = max_t_unpaired(np.arange(30.0), np.arange(30.0) + 1e6, rng=rng(), permutations=99)
    assert found.p[0] == found.p_adjusted[0] == 1 / 100


def test_exchanges_are_all_there_are_or_fair_draws() -> None:
    flips = sign_flips(3, rng=rng())
    assert {tuple(row) for row in flips.rows} == set(product([1.0, -1.0], repeat=3))
    labels = relabellings(30, 20, rng=rng(), permutations=2000)
    assert (labels.rows.sum(axis=1) == 30).all()
    assert labels.rows.mean(axis=0) == pytest.approx(np.full(50, 0.6), abs=0.05)
    assert not labels.exact


def test_shapes_and_options_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="same positions"):
        max_t_unpaired(np.ones((3, 2)), np.ones((3, 1)), rng=rng())
    with pytest.raises(UsageError, match="permutations"):
        max_t_paired([1, 2], rng=rng(), permutations=0)
    with pytest.raises(UsageError, match="one row a prompt"):
        max_t_paired(np.ones((2, 2, 2)), rng=rng())


def test_a_single_test_errs_as_often_as_alpha() -> None:
    x, y = rng(14).exponential(size=(12, 1000)), rng(15).exponential(size=(9, 1000))
    unpaired = max_t_unpaired(x, y, rng=rng(), permutations=2000).p
    assert np.mean(unpaired <= 0.05) == pytest.approx(0.05, abs=0.02)
    paired = max_t_paired(x[:9] - y, rng=rng()).p
    assert np.mean(paired <= 0.05) == pytest.approx(0.05, abs=0.02)
