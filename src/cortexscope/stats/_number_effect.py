"""Whether a metric rises or falls with a number of the prompts: raw, and beyond length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant
from cortexscope.stats._effect import Draw, Effect, Factor, factor_effect, orthonormal
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._length_curve import LengthCurve
from cortexscope.stats._limits import cautious
from cortexscope.stats._permutation import Shuffler, p_value, permuted_sums, shuffles
from cortexscope.stats._ranks import correlated, ranks_of, resampled_correlations
from cortexscope.stats._strata import strata_of
from cortexscope.stats._units import Units, units_of

__all__ = ["NumberEffect", "Slope", "number_effect"]

_FEWEST = 4
_PROMPTS_PER_COLUMN = 8
_MOST_COLUMNS = 3
_LENGTH_ALONE = "length alone tells the numbers apart, so what they do cannot be told"


@dataclass(frozen=True, slots=True)
class Slope:
    """How a metric goes with a number."""

    rho: Estimate
    """Spearman's rank correlation: 1 where the metric rises with every step of the number."""
    p: float | None
    """Of rho, two-sided, by permutation; never 0."""
    curve: Effect
    """Of a natural cubic spline in the number, which need not rise or fall throughout."""
    method: str
    """How p was found."""
    reason: str | None = None
    """Why rho is undefined."""
    permuted: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    """The size of rho in each permutation, [permutation]; None where p is."""

    @classmethod
    def undefined(cls, method: str, reason: str, n: int, curve: Effect) -> Slope:
        """Return a slope of which nothing is known."""
        none = Estimate(None, None, None, n, method, reason)
        return cls(none, None, curve, method, reason)


@dataclass(frozen=True, slots=True)
class NumberEffect:
    """The effect of a number on the mean of the models, raw and adjusted for length."""

    raw: Slope
    """Holds what length does as well, where it goes with the number."""
    adjusted: Slope
    """Beyond length."""
    models: tuple[str, ...]
    clusters: tuple[str, ...]
    """The prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts left out because one of the models has no value for them."""

    @property
    def n(self) -> int:
        """How many prompts."""
        return len(self.clusters)


def number_effect(
    frame: pd.DataFrame,
    *,
    rng: np.random.Generator,
    permutations: int = 2000,
    resamples: int = 2000,
    level: float = 0.95,
    shuffled: Shuffler | None = None,
) -> NumberEffect:
    """Return whether the mean of the models' values goes with a number, raw and beyond length.

    The prompt is the unit, as in `task_effect`. Raw: Spearman's rho, prompts permuted. Adjusted:
    the partial rank correlation, with a natural cubic spline in log tokens taken out of both ranks;
    its p is Freedman and Lane's, within bins of about equal length. The rank of the length alone,
    in place of the curve, would leave a number that is nearly the length what values bend along it:
    the words of 504 prompts beside their tokens were found at 5 % in 11 % of cases without any
    effect. Intervals resample prompts: the
    standard error of Fisher's z of rho is that over the resamples, in each of which all is ranked
    anew. Where the frame has blocks, ranks are those inside of a block, over its number of prompts
    and one, and prompts are exchanged and resampled inside of blocks.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`, `number` (finite, one of each cluster), and `block` where there are any.
        rng: draws the resamples, and the permutations unless `shuffled` gives them.
        permutations: how many.
        resamples: how many.
        level: of the intervals.
        shuffled: gives the permutations, such as the same ones for many metrics (`Remembered`).

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("uvwxyz")
        >>> frame = pd.DataFrame({"model": "m", "task": "t", "prompt_id": ids, "cluster": ids})
        >>> frame = frame.assign(n_tokens=9, value=[1, 2, 3, 4, 6, 5], number=[1, 2, 3, 4, 5, 6])
        >>> round(number_effect(frame, rng=np.random.default_rng(0)).raw.rho.value, 3)
        0.943
    """
    if "number" not in frame:
        raise UsageError("A values frame lacks the column number.")
    units = units_of(frame).alike()
    known = frame.drop_duplicates("cluster").set_index("cluster")["number"]
    numbers = known.loc[list(units.clusters)].to_numpy(dtype=np.float64)
    blocks = np.zeros(len(units), dtype=np.intp) if units.blocks is None else units.blocks
    inside = "" if units.blocks is None else f" inside {blocks.max(initial=-1) + 1} blocks"
    draw = Draw(shuffled or partial(shuffles, rng=rng), permutations)
    method = units.noted(f"permutation of prompts{inside} ({permutations})")
    reason = _undefined(units, numbers, blocks)
    if reason is not None:
        none = Slope.undefined(method, reason, len(units), Effect.undefined(method, reason))
        return NumberEffect(none, none, units.models, units.clusters, units.left_out)
    values, beside = units.values.mean(axis=1), _length_columns(units)
    raw_drawn, left_drawn = resampled_correlations(
        numbers, values, blocks, beside, rng=rng, resamples=resamples
    )
    flat = units.without_length()
    interval = partial(_interval, raw_drawn, level)
    raw = _slope(flat, numbers, beside[:, :0], blocks, method, draw, interval)
    adjusted = replace(raw, method=f"{raw.method}; all prompts have one length")
    if any(basis.shape[1] for basis in units.bases):
        bins = strata_of(units, groups=False)
        method = units.noted(
            f"Freedman-Lane permutation within {len(np.unique(bins))} length bins{inside} "
            f"({permutations})"
        )
        interval = partial(_interval, left_drawn, level)
        adjusted = _slope(units, numbers, beside, bins, method, draw, interval)
    return NumberEffect(raw, adjusted, units.models, units.clusters, units.left_out)


def _length_columns(units: Units) -> NDArray[np.float64]:
    """Return orthonormal columns of a curve in log length, and of each block's mean."""
    curve = LengthCurve.over_logs(units.logs).columns_of_logs(units.logs)
    return orthonormal(np.hstack([units.levels, curve]))


def _slope(
    units: Units,
    numbers: NDArray[np.float64],
    beside: NDArray[np.float64],
    strata: NDArray[np.intp],
    method: str,
    draw: Draw,
    interval: Callable[[float, int], Estimate],
) -> Slope:
    """Return the slope of the units' values in numbers, beyond columns that stand beside them."""
    blocks = np.zeros(len(units), dtype=np.intp) if units.blocks is None else units.blocks
    curve = _curve(units, numbers, strata, method, draw)
    x, y, z = (ranks_of(own, blocks) for own in (numbers, units.values.mean(axis=1), units.logs))
    left = [own - beside @ (beside.T @ own) for own in (x, y)]
    for own, before, why in zip(
        left, (x, y), (_LENGTH_ALONE, "length alone ranks every value"), strict=True
    ):
        # What has the order of the lengths is as far from a curve in them as the curve is coarse.
        same = beside.shape[1] > 0 and z.any() and abs(correlated(before, z)) > 1 - 1e-9
        if same or np.linalg.norm(own) <= 1e-9 * np.linalg.norm(before):
            return Slope.undefined(method, why, len(units), curve)
    found = correlated(*left)
    columns = np.column_stack([left[0], beside])
    sums = permuted_sums(left[1], draw.shuffled(strata, draw.times), columns)
    rest = np.maximum(left[1] @ left[1] - (sums[:, 1:] ** 2).sum(axis=1), 1e-300)
    permuted = np.abs(sums[:, 0]) / np.sqrt(rest) / np.linalg.norm(left[0])
    rho = interval(found, len(units))
    return Slope(rho, p_value(abs(found), permuted), curve, method, permuted=permuted)


def _curve(
    units: Units,
    numbers: NDArray[np.float64],
    strata: NDArray[np.intp],
    method: str,
    draw: Draw,
) -> Effect:
    df = int(np.clip(len(units) // _PROMPTS_PER_COLUMN, 1, _MOST_COLUMNS))
    columns = LengthCurve.over_logs(numbers, df=df).columns_of_logs(numbers)
    beside = max(basis.shape[1] for basis in units.bases) + units.levels.shape[1]
    few = f"{len(units)} prompts are too few for a curve"
    reason = few if len(units) - columns.shape[1] - beside < 1 else None
    factor = Factor(columns, _LENGTH_ALONE, "the number explains every value")
    return factor_effect(units, factor, strata, method, draw, reason=reason)


def _undefined(units: Units, numbers: NDArray[np.float64], blocks: NDArray[np.intp]) -> str | None:
    if not units.models or not len(units):
        return "no prompt has a value in every model"
    if len(units) < _FEWEST:
        return f"fewer than {_FEWEST} prompts"
    where = "throughout" if units.blocks is None else "throughout each block"
    if not ranks_of(numbers, blocks).any():
        return f"the number is the same {where}"
    values = units.values.mean(axis=1)
    if constant(values) or not ranks_of(values, blocks).any():
        return f"the value is the same {where}"
    return None


def _interval(drawn: NDArray[np.float64], level: float, found: float, n: int) -> Estimate:
    """Return a correlation with its interval, from those in resamples."""
    from scipy.special import ndtri

    method = "Fisher's z, its error by resampling prompts"
    if 1.0 - abs(found) < 1e-12:
        return Estimate(found, None, None, n, method, "all prompts are in the same order")
    known = drawn[np.isfinite(drawn) & (np.abs(drawn) < 1.0)]
    if len(known) < len(drawn) / 2:
        return Estimate(found, None, None, n, method, "too few prompts to resample")
    reach = float(ndtri((1 + level) / 2)) * float(np.arctanh(known).std(ddof=1))
    low, high = (float(np.tanh(np.arctanh(found) + side * reach)) for side in (-1, 1))
    return Estimate(found, low, high, n, method, caution=cautious(n, 0.0))
