"""Ranks inside of blocks, and their correlations in resamples of the prompts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["correlated", "ranks_of", "resampled_correlations"]

Floats = NDArray[np.float64]

_TOGETHER = 1 << 20
"""Values of resamples that are held at once."""


def ranks_of(values: Floats, blocks: NDArray[np.intp]) -> Floats:
    """Return each unit's rank inside of its block, from -1/2 to 1/2, 0 in the middle, [unit].

    Rank / (units of the block + 1) - 1/2, equal values sharing their mean rank, so that blocks of
    different sizes have the same scale; of one block, correlations are those of plain ranks.

    Args:
        values: [unit].
        blocks: of each unit, [unit].

    Example:
        >>> ranks_of(np.array([3.0, 1.0, 1.0]), np.zeros(3, dtype=int)).tolist()
        [0.25, -0.125, -0.125]
    """
    return np.asarray(_ranked(values, blocks, np.ones((1, len(values))))[0])


def correlated(first: Floats, second: Floats) -> float:
    """Return the correlation of two rows whose means are 0."""
    size = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.clip(first @ second / size, -1.0, 1.0))


def resampled_correlations(
    first: Floats,
    second: Floats,
    blocks: NDArray[np.intp],
    beside: Floats,
    *,
    rng: np.random.Generator,
    resamples: int,
) -> tuple[Floats, Floats]:
    """Return rank correlations of two rows in resamples of their units, each [resample].

    Args:
        first: [unit].
        second: [unit].
        blocks: inside of which units are drawn, as many as each has.
        beside: what is regressed out of their ranks, orthonormal columns, [unit, column].
        rng: draws them.
        resamples: how many.

    Returns:
        The correlation as it is, and with the columns taken out; NaN where a resample has one value
        throughout.
    """
    raw, left = [], []
    size = max(_TOGETHER // len(blocks), 1)
    # What the columns' products are made of, side by side.
    products = (beside[:, :, None] * beside[:, None, :]).reshape(len(blocks), -1)
    for start in range(0, resamples, size):
        counts = _counts(blocks, min(size, resamples - start), rng=rng)
        x, y = (_ranked(row, blocks, counts) for row in (first, second))
        whole = [_products(counts, *pair) for pair in ((x, y), (x, x), (y, y))]
        raw.append(_ratio(*whole))
        crossed = (counts @ products).reshape(len(counts), *[beside.shape[1]] * 2)
        # Orthonormal columns have the unit matrix; a resample of few units may lose one of them.
        crossed += 1e-9 * np.eye(beside.shape[1])
        sums = np.stack([(counts * row) @ beside for row in (x, y)], axis=2)
        fits = np.linalg.solve(crossed, sums)
        taken = [(sums[:, :, i] * fits[:, :, j]).sum(axis=1) for i, j in ((0, 1), (0, 0), (1, 1))]
        left.append(_ratio(*(all_ - own for all_, own in zip(whole, taken, strict=True))))
    return np.concatenate(raw), np.concatenate(left)


def _counts(blocks: NDArray[np.intp], times: int, *, rng: np.random.Generator) -> Floats:
    """Return how often each unit is drawn, [resample, unit]."""
    counts = np.zeros((times, len(blocks)))
    for block in np.unique(blocks):
        places = np.flatnonzero(blocks == block)
        drawn = rng.integers(len(places), size=(times, len(places)))
        cells = (np.arange(times)[:, None] * len(places) + drawn).ravel()
        own = np.bincount(cells, minlength=times * len(places)).reshape(times, len(places))
        counts[:, places] = own
    return counts


def _ranked(values: Floats, blocks: NDArray[np.intp], counts: Floats) -> Floats:
    """Return ranks inside of blocks among units that are there so often, [resample, unit]."""
    ranks = np.zeros(counts.shape)
    for block in np.unique(blocks):
        places = np.flatnonzero(blocks == block)
        own = values[places]
        order = np.sort(own)
        below = np.searchsorted(order, own, side="left")
        upto = np.searchsorted(order, own, side="right")
        sums = np.zeros((len(counts), len(places) + 1))
        np.cumsum(counts[:, places[np.argsort(own, kind="stable")]], axis=1, out=sums[:, 1:])
        middle = (sums[:, below] + sums[:, upto] + 1.0) / 2.0
        ranks[:, places] = middle / (len(places) + 1) - 0.5
    return ranks


def _products(counts: Floats, first: Floats, second: Floats) -> Floats:
    return np.asarray(np.einsum("ru,ru,ru->r", counts, first, second))


def _ratio(both: Floats, first: Floats, second: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(both / np.sqrt(first * second))
