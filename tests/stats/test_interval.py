"""Intervals hold the truth as often as they say, and are what they are said to be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats
from statsmodels.stats.proportion import confint_proportions_2indep

from cortexscope.errors import UsageError
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._interval import Statistic, difference_interval, interval, location
from cortexscope.stats._limits import Bounds, cautious, wilson
from cortexscope.stats._robust import resampled

Floats = NDArray[np.float64]
STATISTICS: tuple[Statistic, ...] = ("mean", "trimmed mean", "median")


def ends(found: Estimate) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def coverage(found: Callable[[], Estimate], truth: float, times: int) -> float:
    held = 0
    for _ in range(times):
        each = found()
        held += each.low is not None and each.high is not None and each.low <= truth <= each.high
    return held / times


def test_locations_are_those_of_numpy_and_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=23)
    assert location(values) == pytest.approx(values.mean())
    assert location(values, "median") == np.median(values)
    assert location(values, "trimmed mean") == pytest.approx(stats.trim_mean(values, 0.2))


def test_even_values_have_students_interval() -> None:
    values = np.random.default_rng(1).normal(size=9)
    values = np.concatenate([values, -values])
    found = interval(values, rng=np.random.default_rng(0))
    expected = stats.t.interval(0.95, 17, values.mean(), stats.sem(values))
    assert ends(found) == pytest.approx(expected)
    assert found.caution is None


def test_skewed_values_have_the_farther_ends_of_students_and_halls_interval() -> None:
    values = np.random.default_rng(2).exponential(size=15)
    error, k = stats.sem(values), stats.skew(values) / np.sqrt(15)
    student = stats.t.ppf(0.975, 14)

    def end(side: float) -> float:
        # The T of which the transformation is Student's quantile, found by halving.
        def off(t: float) -> float:
            return float(t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6 - side * student)

        return float(values.mean() - error * optimize.brentq(off, -99, 99))

    low, high = ends(interval(values, rng=np.random.default_rng(0)))
    assert low == pytest.approx(min(end(1), values.mean() - student * error))
    assert high == pytest.approx(max(end(-1), values.mean() + student * error))
    assert high == pytest.approx(end(-1))


@pytest.mark.parametrize(("times", "n"), [(6, 12), (2, 12), (9, 42)])
def test_values_of_two_kinds_have_wilsons_interval(times: int, n: int) -> None:
    wide = stats.binomtest(times, n).proportion_ci(method="wilson")
    for low, high, bounds in ((0.0, 1.0, (None, None)), (-3.0, 5.0, (None, None)), (0, 1, (0, 1))):
        values = np.array([high] * times + [low] * (n - times), dtype=float)
        found = interval(values, rng=np.random.default_rng(0), bounds=bounds)
        reach = high - low
        assert ends(found) == pytest.approx((low + reach * wide.low, low + reach * wide.high))


def test_a_single_value_of_another_kind_is_no_kind_unless_bounds_say_so() -> None:
    values = [0.0] * 11 + [1.0]
    wide = stats.binomtest(1, 12).proportion_ci(method="wilson")
    known = interval(values, rng=np.random.default_rng(0), bounds=(0.0, 1.0))
    assert ends(known) == pytest.approx((wide.low, wide.high))
    unknown = interval(values, rng=np.random.default_rng(0))
    assert ends(unknown)[1] > wide.high
    assert "Cochran's rule asks for more than 228 such prompts" in str(unknown.caution)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_values_that_are_all_the_same_are_not_certain(value: float) -> None:
    found = interval([value] * 12, rng=np.random.default_rng(0), bounds=(0.0, 1.0))
    low, high = ends(found)
    share = stats.binomtest(0, 12).proportion_ci(method="wilson").high
    assert low == pytest.approx(value * (1 - share))
    assert high == pytest.approx(value + share * (1 - value))
    # Were the mean at an end, 12 of a kind would be found in less than a twentieth of cases.
    assert (1 - share) ** 12 < 0.05
    for bounds in ((None, None), (0.0, None)):
        assert interval([value] * 12, rng=np.random.default_rng(0), bounds=bounds).low is None


bounded: dict[str, tuple[Bounds, st.SearchStrategy[float]]] = {
    "share": ((0.0, 1.0), st.floats(0, 1)),
    "few": ((0.0, 1.0), st.sampled_from([0.0, 1e-6, 1.0])),
    "count": ((0.0, None), st.integers(0, 3).map(float)),
    "cosine": ((-1.0, 1.0), st.floats(-1, 1)),
}


@pytest.mark.parametrize("kind", bounded)
@given(st.data())
def test_intervals_stay_within_bounds_and_hold_the_mean(kind: str, data: st.DataObject) -> None:
    (lowest, highest), values = bounded[kind]
    row = np.array(data.draw(st.lists(values, min_size=2, max_size=25)))
    for statistic in STATISTICS:
        found = interval(
            row, rng=np.random.default_rng(0), resamples=50, statistic=statistic,
            bounds=(lowest, highest),
        )  # fmt: skip
        if found.low is None or found.high is None:
            assert found.reason
            continue
        assert lowest is None or found.low >= lowest
        assert highest is None or found.high <= highest
        if statistic == "mean":
            assert found.low - 1e-9 <= row.mean() <= found.high + 1e-9
            assert found.high > found.low


def test_paired_differences_of_what_happens_or_not_are_of_three_kinds() -> None:
    first, second = np.array([1.0] * 8 + [0.0] * 12), np.array([1.0] * 5 + [0.0] * 15)
    found = difference_interval(first, second, paired=True, bounds=(0, 1))
    student = stats.ttest_rel(first, second).confidence_interval()
    low, high = ends(found)
    assert low == pytest.approx(student.low)
    assert high > student.high
    same = difference_interval(first, first, paired=True, bounds=(0, 1))
    share = stats.binomtest(0, 20).proportion_ci(method="wilson").high
    assert ends(same) == pytest.approx((-share, share))
    assert (
        difference_interval(first, first, paired=True).reason == "all prompts have the same value"
    )
    with pytest.raises(UsageError, match="as many values"):
        difference_interval(first, second[1:], paired=True)


def test_a_caution_follows_cochrans_rule() -> None:
    values = np.random.default_rng(3).exponential(size=20)
    needed = 25 * stats.skew(values) ** 2
    found = interval(values, rng=np.random.default_rng(0))
    assert (found.caution is not None) == (needed >= 20)
    assert cautious(9, 0.0) == "fewer than 10 independent prompts"
    assert cautious(10, 0.0) is None
    assert cautious(100, 0.19) is None
    assert cautious(100, 0.21) is not None


def test_wilsons_interval_is_that_of_scipy() -> None:
    for times, n, level in ((0, 7, 0.9), (3, 7, 0.95), (7, 7, 0.99)):
        wide = stats.binomtest(times, n).proportion_ci(level, method="wilson")
        assert wilson(times / n, n, level) == pytest.approx((wide.low, wide.high), abs=1e-12)


def test_fewer_than_10_prompts_have_the_trimmed_interval_of_winsorised_values() -> None:
    values = np.random.default_rng(1).normal(size=9)
    found = interval(values, rng=np.random.default_rng(0), statistic="trimmed mean")
    winsorised = stats.mstats.winsorize(values, (0.2, 0.2)).data
    error = winsorised.std(ddof=1) / (7 / 9 * 3)
    assert ends(found) == pytest.approx(
        stats.t.interval(0.95, 6, stats.trim_mean(values, 0.2), error)
    )


def test_resamples_are_those_that_are_drawn_one_by_one() -> None:
    values = np.random.default_rng(2).gamma(2.0, size=12)
    drawn = values[np.random.default_rng(5).integers(12, size=(50, 12))]
    trimmed = resampled(values, rng=np.random.default_rng(5), resamples=50)
    held = [stats.mstats.winsorize(row, (0.2, 0.2)).data.std(ddof=1) for row in drawn]
    assert trimmed.estimates == pytest.approx([stats.trim_mean(row, 0.2) for row in drawn])
    assert trimmed.errors == pytest.approx(np.array(held) / (8 / 12 * np.sqrt(12)))


def test_a_difference_has_welchs_interval_of_scipy() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=14), 2 * rng.normal(size=9)
    welch = stats.ttest_ind(one, two, equal_var=False).confidence_interval()
    assert ends(difference_interval(one, two)) == pytest.approx((welch.low, welch.high))
    again = difference_interval(
        np.repeat(one, 3), two, clusters=(np.repeat(np.arange(14), 3), np.arange(9))
    )
    assert ends(again) == pytest.approx((welch.low, welch.high))


def test_differences_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(9)
    share = coverage(
        lambda: difference_interval(np.exp(rng.normal(size=14)), np.exp(rng.normal(size=14))),
        0.0,
        800,
    )
    assert 0.935 <= share <= 0.98


def test_many_prompts_have_the_interval_of_a_good_bootstrap() -> None:
    values = np.random.default_rng(4).exponential(size=400)
    found = interval(values, rng=np.random.default_rng(0))
    other = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(1), method="BCa")
    wide = other.confidence_interval
    assert ends(found) == pytest.approx((wide.low, wide.high), abs=0.02)


@pytest.mark.parametrize("n", [6, 10, 21, 100])
def test_the_median_lies_between_ranks_whose_chances_enclose_the_level(n: int) -> None:
    values = np.sort(np.random.default_rng(n).normal(size=n))
    low, high = ends(interval(values, rng=np.random.default_rng(0), statistic="median"))
    held = [stats.binom.cdf(n - rank, n, 0.5) - stats.binom.cdf(rank - 1, n, 0.5)
            for rank in range(1, n // 2 + 1)]  # fmt: skip
    outer = max(rank for rank, chance in enumerate(held, 1) if chance >= 0.95)
    assert values[outer - 1] <= low <= values[outer] <= values[n - outer - 1] <= high
    assert high <= values[n - outer]


def drawn_interval(
    draw: Callable[[np.random.Generator, int], Floats],
    n: int,
    statistic: Statistic,
    rng: np.random.Generator,
) -> Estimate:
    return interval(draw(rng, n), rng=rng, statistic=statistic, resamples=1000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda rng, n: rng.normal(size=n), {"mean": 0.0, "trimmed mean": 0.0, "median": 0.0}),
        (lambda rng, n: rng.uniform(-1, 1, n), {"mean": 0.0, "median": 0.0}),
        (lambda rng, n: rng.choice([-2, 2], n) + rng.normal(size=n), {"mean": 0.0}),
        (lambda rng, n: np.exp(rng.normal(size=n)), {"median": 1.0}),
        (lambda rng, n: rng.exponential(size=n), {"mean": 1.0}),
        (lambda rng, n: rng.random(n) < 0.4, {"mean": 0.4}),
        (lambda rng, n: (rng.random(n) < 0.3) + 0.1 * rng.normal(size=n), {"mean": 0.3}),
        (lambda rng, n: rng.poisson(1.0, n), {"mean": 1.0}),
        (lambda rng, n: rng.normal(size=n) ** 3 * (rng.random(n) < 0.5), {"mean": 0.0}),
    ],
    ids=[
        "normal", "uniform", "two humps", "log-normal", "exponential", "Bernoulli", "humps 30/70",
        "counts", "differences",
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [10, 20])
def test_intervals_hold_the_truth_as_often_as_they_say(
    draw: Callable[[np.random.Generator, int], Floats], truth: dict[Statistic, float], n: int
) -> None:
    rng = np.random.default_rng(7)
    for statistic, value in truth.items():
        found = partial(drawn_interval, draw, n, statistic, rng)
        share = coverage(found, value, 600)
        lowest = 0.92 if n >= 20 else 0.90
        assert lowest - 0.015 <= share, statistic  # 600 samples: within a point and a half


def test_paraphrases_do_not_pass_for_prompts() -> None:
    rng = np.random.default_rng(8)
    clusters = np.repeat(np.arange(12), np.arange(12) % 4 + 1)

    def found(*, known: bool) -> Estimate:
        values = rng.normal(size=12)[clusters] + 0.2 * rng.normal(size=len(clusters))
        return interval(values, clusters if known else None, rng=rng, resamples=500)

    assert 0.92 <= coverage(lambda: found(known=True), 0.0, 500) <= 0.975
    assert coverage(lambda: found(known=False), 0.0, 500) < 0.88


values_of_12 = st.lists(
    st.floats(-100, 100).map(lambda value: round(value, 2)), min_size=12, max_size=12
)


@given(values_of_12, st.sampled_from(STATISTICS), st.floats(0.1, 10), st.floats(-50, 50))
def test_units_and_origin_of_the_values_do_not_matter(
    values: list[float], statistic: Statistic, scale: float, shift: float
) -> None:
    rows = np.array(values)
    there, back = (
        interval(row, rng=np.random.default_rng(0), resamples=99, statistic=statistic)
        for row in (rows, rows * scale + shift)
    )
    assert (there.low is None) == (back.low is None)
    assert there.method == back.method
    if there.low is not None:
        expected = np.array(ends(there)) * scale + shift
        assert ends(back) == pytest.approx(expected, abs=1e-6, rel=1e-6)


@given(values_of_12, st.sampled_from(STATISTICS), st.randoms(use_true_random=False))
def test_the_order_of_prompts_with_names_does_not_matter(
    values: list[float], statistic: Statistic, random: object
) -> None:
    order = np.random.default_rng(getattr(random, "getrandbits")(32)).permutation(12)  # noqa: B009
    rows, clusters = np.array(values), np.arange(12) // 2 * 2 + np.arange(12) % 3
    there, back = (
        interval(each, names, rng=np.random.default_rng(0), resamples=99, statistic=statistic)
        for each, names in ((rows, clusters), (rows[order], clusters[order]))
    )
    assert there.reason == back.reason
    if there.low is not None:
        assert ends(back) == pytest.approx(ends(there), abs=1e-9)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=15)
    assert interval(values, rng=np.random.default_rng(3)) == interval(
        values, rng=np.random.default_rng(3)
    )


def test_a_higher_level_widens_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=15)
    for statistic in STATISTICS:
        narrow, wide = (
            ends(interval(values, rng=np.random.default_rng(0), level=level, statistic=statistic))
            for level in (0.8, 0.95)
        )
        assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("values", "statistic", "reason"),
    [
        ([], "mean", "no prompt has a value"),
        ([np.nan, np.inf], "mean", "no prompt has a value"),
        ([3.0], "mean", "one prompt"),
        ([0.1 + 0.2, 0.3, 0.3], "mean", "same value"),
        ([1.0, *[2.0] * 8, 5.0], "trimmed mean", "not trimmed are all the same"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "median", "5 prompts are too few"),
    ],
)
def test_what_is_undefined_has_a_reason(
    values: list[float], statistic: Statistic, reason: str
) -> None:
    found = interval(values, rng=np.random.default_rng(0), statistic=statistic)
    assert (found.low, found.high, found.method) == (None, None, None)
    assert found.reason is not None
    assert reason in found.reason


def test_an_undefined_difference_has_a_reason() -> None:
    assert difference_interval([1.0], [1.0, 2.0]).reason == "a group has fewer than 2 prompts"
    assert difference_interval([1.0, 1.0], [2.0, 2.0]).reason == "neither group varies"
    assert "a group does not vary" in str(difference_interval([1.0, 1.0], [2.0, 3.0]).reason)


def test_a_difference_from_a_group_without_spread_is_newcombes() -> None:
    found = difference_interval([1] * 10, [0] * 20, bounds=(0, 1))
    expected = confint_proportions_2indep(10, 10, 0, 20, method="newcomb")
    assert ends(found) == pytest.approx(expected, abs=1e-9)
    with_spread = difference_interval([1] * 9 + [0], [1] * 3 + [0] * 7, bounds=(0, 1))
    assert with_spread.method == "Welch's t"


def test_wrong_arguments_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="resamples"):
        interval([1, 2], rng=rng, resamples=0)
    with pytest.raises(UsageError, match="level"):
        interval([1, 2], rng=rng, level=95.0)
    with pytest.raises(UsageError, match="clusters"):
        interval([1, 2], ["a"], rng=rng)
    with pytest.raises(UsageError, match="row of values"):
        interval([[1, 2]], rng=rng)
