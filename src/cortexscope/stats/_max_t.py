"""Tests by exchanging prompts, of one quantity or of many along depth at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant, unit_means
from cortexscope.stats._exchanges import Exchanges, distinct, relabellings, sign_flips

__all__ = ["MaxT", "max_t_paired", "max_t_unpaired", "step_down"]

Floats = NDArray[np.float64]
Labels = Sequence[Any] | NDArray[Any]
Rows = slice | NDArray[np.intp]

# Statistics that differ by rounding alone are equal.
_ROUNDING = 1e-9
# A variance this small beside the mean square that it is a difference from is its rounding.
_NOTHING = 1e-13
# Exchanges times positions held at once: arrays of 8 MB.
_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class MaxT:
    """Tests of many positions, such as layers, with and without adjustment for their number."""

    t: Floats
    """Student's t of paired differences or Welch's of two groups, [position]; NaN if undefined."""
    p: Floats
    """p-value of each position alone, [position]; NaN where undefined."""
    p_adjusted: Floats
    """Westfall and Young's step-down p-value, for which the family of all positions errs even
    once with a chance of at most alpha, [position]; NaN where undefined."""
    p_least: Floats
    """The smallest p-value that was reachable, adjusted or not, [position]; NaN where undefined."""
    method: str
    """The exchanges that were made."""
    reasons: tuple[str | None, ...]
    """Why a position is undefined; None where it is not, [position]."""


def max_t_paired(
    differences: ArrayLike,
    clusters: Labels | None = None,
    *,
    groups: Labels | None = None,
    rng: np.random.Generator,
    permutations: int = 10_000,
) -> MaxT:
    """Return tests of whether paired differences have a mean of 0, by flipping signs.

    Exact where differences are symmetric around 0 if there is no effect. The differences of a
    cluster are averaged; one flip turns a cluster's differences at all positions.

    Args:
        differences: [prompt] or [prompt, position]; NaN where undefined.
        clusters: what each prompt belongs to, [prompt]; each its own where None.
        groups: inside of what, such as its task, each position is tested, [prompt], the same
            throughout a cluster. A position then has as many places in the result, side by side,
            as there are groups, in the order of their names.
        rng: draws the flips.
        permutations: how many flips are drawn; all are made if they are no more.

    Raises:
        UsageError: if shapes do not fit, or an option is out of range.

    Example:
        >>> max_t_paired([1, 2, 3, 4], rng=np.random.default_rng(0)).p
        array([0.125])
    """
    units = _columns(unit_means(differences, clusters))
    flips = sign_flips(len(units), rng=rng, permutations=permutations)
    known = np.isfinite(units)
    values = np.where(known, units, 0.0)
    inside = _inside(groups, clusters, len(units))

    def side_by_side(of_group: Callable[[Rows], NDArray[Any]]) -> NDArray[Any]:
        found = np.stack([of_group(own) for own in inside], axis=-1)
        return found.reshape(*found.shape[:-2], -1)

    counts = side_by_side(lambda own: known[own].sum(axis=0))
    squares = side_by_side(lambda own: (values[own] ** 2).sum(axis=0))
    reasons = tuple(_reason([column[own]]) for column in units.T for own in inside)

    def statistic(rows: Floats) -> Floats:
        means = side_by_side(lambda own: rows[:, own] @ values[own]) / counts
        variances = _variances(squares / counts, means, counts)
        return np.asarray(means / np.sqrt(variances / counts))

    # A flip of all signs reaches as much.
    least = flips.least(2.0 ** (1 - counts))
    return _tested(statistic, np.ones((1, len(units))), flips, reasons, least)


def max_t_unpaired(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: tuple[Labels, Labels] | None = None,
    rng: np.random.Generator,
    permutations: int = 10_000,
) -> MaxT:
    """Return tests of whether two groups of prompts have the same mean, by exchanging labels.

    Exact where both groups have one distribution if there is no effect; since the statistic is
    studentised, nearly so where only their means are equal. The values of a cluster are averaged,
    and one exchange moves a cluster's values at all positions.

    Args:
        first: [prompt] or [prompt, position]; NaN where undefined.
        second: likewise, of other prompts.
        clusters: what each group's prompts belong to; each its own where None.
        rng: draws the relabellings.
        permutations: how many are drawn; all are made if they are no more.

    Raises:
        UsageError: if shapes do not fit, or an option is out of range.

    Example:
        >>> max_t_unpaired([1, 2, 3], [11, 12, 13], rng=np.random.default_rng(0)).p
        array([0.1])
    """
    one = _columns(unit_means(first, None if clusters is None else clusters[0]))
    two = _columns(unit_means(second, None if clusters is None else clusters[1]))
    if one.shape[1] != two.shape[1]:
        raise UsageError(
            f"Two groups need the same positions, and have {one.shape[1]} and {two.shape[1]}."
        )
    labels = relabellings(len(one), len(two), rng=rng, permutations=permutations)
    reasons = tuple(_reason(pair) for pair in zip(one.T, two.T, strict=True))
    both = np.vstack([one, two])
    known = np.isfinite(both)
    count = known.sum(axis=0)
    centre = np.where(known, both, 0.0).sum(axis=0) / np.maximum(count, 1)
    values = np.where(known, both - centre, 0.0)
    # What each group's number, sum and sum of squares are made of, side by side.
    parts = np.hstack([known, values, values**2])
    whole = parts.sum(axis=0)

    def statistic(rows: Floats) -> Floats:
        inside = rows @ parts
        (mean_in, part_in), (mean_out, part_out) = map(_moments, (inside, whole - inside))
        return np.asarray((mean_in - mean_out) / np.sqrt(part_in + part_out))

    own = np.repeat([[1.0, 0.0]], [len(one), len(two)], axis=1)
    sizes = [np.isfinite(group).sum(axis=0) for group in (one, two)]
    least = labels.least(
        np.array([1 / distinct(*map(int, size)) for size in zip(*sizes, strict=True)])
    )
    return _tested(statistic, own, labels, reasons, least)


def step_down(statistics: Floats) -> tuple[Floats, Floats]:
    """Return p-values and Westfall and Young's step-down ones of statistics, [2, position].

    Larger statistics speak against their null hypothesis. The adjusted p-values keep the chance of
    even one error in the family at alpha where the exchanges of the positions that have no effect
    are distributed together as the statistics are.

    Args:
        statistics: what is found, and then that of each random exchange, the same one at all
            positions, [1 + exchange, position]; NaN where undefined.

    Example:
        >>> step_down(np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 0.0], [0.0, 4.0]]))[1].tolist()
        [0.5, 0.75]
    """
    found, drawn = statistics[0], statistics[1:]
    places = np.flatnonzero(np.isfinite(found))
    p, adjusted = np.full((2, len(found)), np.nan)
    falling = np.argsort(-found[places], kind="stable")
    alone, above = _counts(drawn[:, places], found[places], falling)
    p[places] = (alone + 1) / (len(drawn) + 1)
    stepped = np.maximum.accumulate((above + 1) / (len(drawn) + 1))
    adjusted[places[falling]] = stepped
    return p, adjusted


def _counts(
    drawn: Floats, found: Floats, falling: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many exchanges reach what is found: at each position, and at it or any lesser.

    The second are in the order `falling`, from the largest statistic found down.
    """
    limits = found - _ROUNDING * np.abs(found)
    rising = np.maximum.accumulate(drawn[:, falling[::-1]], axis=1)[:, ::-1]
    return (drawn >= limits).sum(axis=0), (rising >= limits[falling]).sum(axis=0)


def _columns(units: Floats) -> Floats:
    return units[:, None] if units.ndim == 1 else units


def _inside(groups: Labels | None, clusters: Labels | None, units: int) -> list[Rows]:
    """Return the units of each group, groups in the order of their names."""
    if groups is None:
        return [slice(None)]
    own = np.asarray(groups)
    if clusters is not None:
        # The units are in this order.
        own = own[np.unique(np.asarray(clusters), return_index=True)[1]]
    if len(own) != units:
        raise UsageError(f"{units} differences need as many groups, and have {len(own)}.")
    return [np.flatnonzero(own == name) for name in np.unique(own)]


def _reason(groups: Sequence[Floats]) -> str | None:
    """Return why a position's groups cannot be tested; None where they can."""
    known = [group[np.isfinite(group)] for group in groups]
    if min(len(group) for group in known) < 2:
        return "fewer than 2 prompts have a value"
    if all(constant(group) for group in known):
        return "all prompts have the same value" if len(known) == 1 else "neither group varies"
    return None


def _variances(mean_squares: Floats, means: Floats, counts: Floats | NDArray[np.int64]) -> Floats:
    """Return variances with divisor n - 1, from means of squares; 0 where they are rounding."""
    spread = mean_squares - means**2
    spread = np.where(spread <= _NOTHING * mean_squares, 0.0, spread)
    return np.asarray(spread * counts / (counts - 1))


def _moments(sums: Floats) -> tuple[Floats, Floats]:
    """Return a group's mean and its variance over its number, [exchange, position]."""
    counts, totals, squares = np.split(sums, 3, axis=1)
    means = totals / counts
    return means, _variances(squares / counts, means, counts) / counts


def _tested(
    statistic: Callable[[Floats], Floats],
    own: Floats,
    exchanges: Exchanges,
    reasons: tuple[str | None, ...],
    least: Floats,
) -> MaxT:
    """Return the tests of the statistic, [exchange, position], of what is found, `own`."""
    usable = np.array([reason is None for reason in reasons])
    t, p, adjusted = np.full((3, len(reasons)), np.nan)
    if usable.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            t[usable] = statistic(own)[0, usable]
            reached, reached_above = _reached(statistic, np.abs(t), exchanges, usable)
        p[usable] = exchanges.p_values(reached)
        order = np.flatnonzero(usable)[np.argsort(-np.abs(t[usable]), kind="stable")]
        adjusted[order] = np.maximum.accumulate(exchanges.p_values(reached_above))
    least = np.where(usable, least, np.nan)
    return MaxT(t, p, adjusted, least, exchanges.method, reasons)


def _reached(
    statistic: Callable[[Floats], Floats],
    found: Floats,
    exchanges: Exchanges,
    usable: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many exchanges reach what is found: at each position, and at it or any lesser.

    The first is [usable position]; the second likewise, from the largest statistic found down.
    """
    places = np.flatnonzero(usable)
    falling = np.argsort(-found[places], kind="stable")
    alone, above = np.zeros((2, len(places)), dtype=np.int64)
    size = max(_BLOCK // len(usable), 1)
    for start in range(0, len(exchanges.rows), size):
        drawn = np.abs(statistic(exchanges.rows[start : start + size])[:, places])
        # A group without spread cannot be studentised; it counts as reaching anything.
        drawn = np.where(np.isnan(drawn), np.inf, drawn)
        reached = _counts(drawn, found[places], falling)
        alone, above = alone + reached[0], above + reached[1]
    return alone, above
