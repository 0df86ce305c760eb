from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cortexscope.stats import explained_interval
from cortexscope.stats._noncentral import noncentral_f


@pytest.mark.parametrize(
    ("f", "df", "residual", "shift"), [(6.58, 11, 492, 33.1), (2, 3, 20, 5), (40, 2, 12, 60)]
)
def test_the_noncentral_f_is_that_of_scipy(f: float, df: int, residual: int, shift: float) -> None:
    expected = stats.ncf.cdf(f, df, residual, shift)
    assert noncentral_f(f, df, residual, shift) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("f", "df", "residual"), [(6.5, 11, 492), (1.4, 3, 20), (900.0, 2, 40)])
def test_f_lies_at_the_ends_as_seldom_as_promised(f: float, df: int, residual: int) -> None:
    units = df + residual + 1
    low, high = explained_interval(f, df, residual, level=0.9)
    for share, chance in ((low, 0.95), (high, 0.05)):
        shift = units * share / (1.0 - share)
        if share > 0.0:
            assert noncentral_f(f, df, residual, shift) == pytest.approx(chance, abs=1e-8)
    assert 0.0 <= low < high < 1.0


def test_an_effect_that_leaves_nothing_has_an_interval_too() -> None:
    both = [explained_interval(f, 3, 20) for f in (3.3e6, 3.4e6)]
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    assert explained_interval(0.0, 3, 20)[0] == 0.0
    low, high = explained_interval(1e300, 3, 20)
    assert low == pytest.approx(1.0)
    assert high == pytest.approx(1.0)


def test_the_true_share_lies_within() -> None:
    """Twelve tasks of 42 prompts, with normal residuals."""
    rng = np.random.default_rng(11)
    means = np.linspace(-1, 1, 12)[:, None] * 0.4
    true = float((means**2).mean() / ((means**2).mean() + 1.0))
    hits = 0
    for _ in range(200):
        values = means + rng.normal(size=(12, 42))
        f = stats.f_oneway(*values).statistic
        low, high = explained_interval(f, 11, 492)
        hits += low <= true <= high
    # 95 % and 3 standard errors.
    assert hits >= 0.90 * 200
