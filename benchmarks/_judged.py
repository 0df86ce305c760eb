"""The distributions that intervals of a mean are judged on: written down before they were tried.

The method was chosen on those of `coverage.py` and others like them; none of these was used for it.
Each has its true mean and, where a metric's spec would give them, its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

__all__ = ["JUDGED", "Judged", "SIZES", "in_clusters"]

Floats = NDArray[np.float64]
Rng = np.random.Generator

SIZES = (10, 12, 20, 42, 100)


@dataclass(frozen=True, slots=True)
class Judged:
    """One distribution of values."""

    draw: Callable[[Rng, int], Floats]
    mean: float
    bounds: tuple[float | None, float | None] = (None, None)


def _bernoulli(share: float, rng: Rng, n: int) -> Floats:
    return (rng.random(n) < share).astype(np.float64)


def _humps(share: float, rng: Rng, n: int) -> Floats:
    return _bernoulli(share, rng, n) + 0.1 * rng.normal(size=n)


def _zero_inflated(share: float, rng: Rng, n: int) -> Floats:
    return np.where(rng.random(n) < share, 0.0, np.exp(rng.normal(size=n)))


def _count(trials: int, share: float, rng: Rng, n: int) -> Floats:
    return rng.binomial(trials, share, n).astype(np.float64)


def _poisson(rate: float, rng: Rng, n: int) -> Floats:
    return rng.poisson(rate, n).astype(np.float64)


def _beta(a: float, b: float, rng: Rng, n: int) -> Floats:
    return rng.beta(a, b, n)


JUDGED: dict[str, Judged] = {
    **{
        f"Bernoulli {share}": Judged(partial(_bernoulli, share), share, (0.0, 1.0))
        for share in (0.1, 0.2, 0.3, 0.4, 0.5)
    },
    **{
        f"humps {round(100 * share)}/{round(100 - 100 * share)}": Judged(
            partial(_humps, share), share
        )
        for share in (0.2, 0.3, 0.4, 0.5)
    },
    "Poisson 1": Judged(partial(_poisson, 1.0), 1.0, (0.0, None)),
    "Poisson 3": Judged(partial(_poisson, 3.0), 3.0, (0.0, None)),
    "binomial 4, 0.5": Judged(partial(_count, 4, 0.5), 2.0, (0.0, 4.0)),
    **{
        f"log-normal, {round(100 * share)} % zero": Judged(
            partial(_zero_inflated, share), (1 - share) * math.exp(0.5), (0.0, None)
        )
        for share in (0.2, 0.5)
    },
    **{
        f"beta {a}, {b}": Judged(partial(_beta, a, b), a / (a + b), (0.0, 1.0))
        for a, b in ((0.5, 0.5), (2.0, 5.0), (1.0, 9.0))
    },
}


def in_clusters(judged: Judged, rng: Rng, n: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return values of n prompts with 1 to 5 paraphrases, and their prompts, [value].

    A paraphrase has its prompt's value in three of four cases and one of its own in the fourth, so
    that both have the same distribution and bounds.
    """
    clusters = np.repeat(np.arange(n), rng.integers(1, 6, n))
    shared, own = judged.draw(rng, n)[clusters], judged.draw(rng, len(clusters))
    return np.where(rng.random(len(clusters)) < 0.75, shared, own), clusters
