"""Rank correlation over parts of a model, each part a mean over prompts, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.stats._clusters import unit_means
from cortexscope.stats._estimate import Estimate

__all__ = ["RankAgreement", "rank_agreement"]

Floats = NDArray[np.float64]

_FEWEST = 4
_METHOD = "Spearman's rho over parts, percentile bootstrap over prompts"


@dataclass(frozen=True, slots=True, eq=False)
class RankAgreement:
    """How alike two quantities order the parts of a model."""

    rho: Estimate
    """Spearman's rho of the parts' means over prompts; `n` counts the parts."""
    permuted: Floats
    """|rho| where one quantity's parts are shuffled, [permutation]; that of what was found
    first."""
    prompts: int
    """Of which the means are made; paraphrases of one count as one."""


def rank_agreement(
    first: ArrayLike,
    second: ArrayLike,
    clusters: NDArray[np.str_] | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    keys: Floats | None = None,
    level: float = 0.95,
) -> RankAgreement:
    """Return Spearman's rho of two quantities over parts, whose values are means over prompts.

    The interval is of other prompts and the same parts: prompts are drawn anew, means made of
    them, and ranks of these. Parts that lack a value for every prompt are left out.

    Args:
        first: [prompt, part], or [part] where it is known; NaN where undefined.
        second: likewise.
        clusters: what each prompt belongs to, whose values are averaged; each its own where None.
        rng: draws the prompts.
        resamples: how many.
        keys: random numbers that shuffle the parts by their order, [permutation, part], the same
            for all quantities that are tested together; none are shuffled where None.
        level: of the interval.

    Example:
        >>> rising = np.arange(5.0) + np.zeros((3, 1))
        >>> found = rank_agreement(rising, rising**2, rng=np.random.default_rng(0), resamples=9)
        >>> found.rho.value, found.rho.n
        (1.0, 5)
    """
    one, two = (_units(np.asarray(own, dtype=np.float64), clusters) for own in (first, second))
    means = [_means(own) for own in (one, two)]
    known = np.isfinite(means[0]) & np.isfinite(means[1])
    prompts = max(len(one), len(two))
    n = int(known.sum())
    if n < _FEWEST:
        why = f"fewer than {_FEWEST} parts have both values"
        return RankAgreement(Estimate(None, None, None, n, _METHOD, why), np.array([]), prompts)
    ranks = [_ranked(own[known][None]) for own in means]
    if not all(np.ptp(own) > 0 for own in ranks):
        why = "all parts have the same value"
        return RankAgreement(Estimate(None, None, None, n, _METHOD, why), np.array([]), prompts)
    rho = float(_correlated(*ranks)[0])
    drawn = _resampled(one[:, known], two[:, known], rng=rng, resamples=resamples)
    low = high = None
    alone = None
    if len(drawn) and prompts > 1:
        ends = (1 - level) / 2
        low, high = (float(own) for own in np.quantile(drawn, [ends, 1 - ends]))
    else:
        alone = "there is one prompt"
    permuted = np.array([])
    if keys is not None:
        shuffled = ranks[1][0][np.argsort(keys[:, known], axis=1)]
        permuted = np.abs(np.concatenate([[rho], _correlated(ranks[0], shuffled)]))
    return RankAgreement(Estimate(rho, low, high, n, _METHOD, alone), permuted, prompts)


def _units(values: Floats, clusters: NDArray[np.str_] | None) -> Floats:
    return values[None] if values.ndim == 1 else unit_means(values, clusters)


def _means(units: Floats) -> Floats:
    """Return the mean of what is known of each part; NaN where nothing is."""
    known = np.isfinite(units)
    counts = known.sum(axis=0)
    sums = np.where(known, units, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _ranked(rows: Floats) -> Floats:
    """Return mean ranks less their mean, [row, part]."""
    from scipy.stats import rankdata

    ranks = rankdata(rows, axis=1)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True))


def _correlated(one: Floats, two: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
        return np.asarray((one * two).sum(axis=1) / sizes)


def _resampled(one: Floats, two: Floats, *, rng: np.random.Generator, resamples: int) -> Floats:
    """Return rho in each resample of the prompts that leaves every part a value."""
    prompts = max(len(one), len(two))
    counts = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    means = []
    for own in (one, two):
        if len(own) < prompts:
            means.append(np.repeat(own, resamples, axis=0))
            continue
        known = np.isfinite(own)
        with np.errstate(divide="ignore", invalid="ignore"):
            means.append((counts @ np.where(known, own, 0.0)) / (counts @ known))
    whole = np.isfinite(means[0]).all(axis=1) & np.isfinite(means[1]).all(axis=1)
    found = _correlated(_ranked(means[0][whole]), _ranked(means[1][whole]))
    return found[np.isfinite(found)]
