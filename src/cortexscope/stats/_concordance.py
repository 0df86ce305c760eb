"""How well scores put outcomes in order, and what each unit of prompts adds to that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._interval import mean_of

__all__ = ["Concordance", "Outcomes", "concordance"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_BLOCK = 4_000_000
"""Pairs that are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What came of each prompt, and whom it is compared with."""

    values: Floats
    """1 for right and 0 for wrong, or any scores, [prompt]."""
    strata: Places
    """Prompts are paired inside of a stratum alone, such as their task, [prompt]."""
    clusters: Places
    """Each prompt's unit, from 0, [prompt]."""

    @classmethod
    def of(cls, values: ArrayLike, strata: ArrayLike, clusters: ArrayLike) -> Outcomes:
        """Return them with strata and clusters of any names.

        Raises:
            UsageError: if lengths differ.
        """
        own = np.asarray(values, dtype=np.float64)
        kinds, units = (
            np.unique(np.asarray(x), return_inverse=True)[1] for x in (strata, clusters)
        )
        if not len(own) == len(kinds) == len(units):
            raise UsageError(
                f"{len(own)} outcomes need as many strata and clusters, and have {len(kinds)} and "
                f"{len(units)}."
            )
        return cls(own, kinds, units)

    def __getitem__(self, kept: NDArray[np.bool_]) -> Outcomes:
        """Return those of some prompts."""
        units = np.unique(self.clusters[kept], return_inverse=True)[1]
        return Outcomes(self.values[kept], self.strata[kept], units)


@dataclass(frozen=True, slots=True, eq=False)
class Concordance:
    """The share of pairs that scores put in the order of their outcomes."""

    value: float
    """1 where all are, 0.5 by chance; of right and wrong, the area under the ROC curve (AUC). NaN
    where no two prompts of a stratum have different outcomes."""
    parts: Floats
    """Each unit's pseudo-value, [unit]: their mean is the value, and the variance of that mean is
    DeLong's for prompts (1988, Biometrics 44, 837-845) and Obuchowski's for clusters of them (1997,
    Biometrics 53, 567-578)."""

    def interval(self, *, level: float = 0.95) -> Estimate:
        """Return the value with its interval over units."""
        return mean_of(self.parts, level=level, bounds=(0, 1))


def concordance(scores: ArrayLike, outcomes: Outcomes) -> Concordance:
    """Return how well scores put outcomes in order; a tie of scores counts one half.

    Args:
        scores: [prompt], finite; higher ones stand for higher outcomes.
        outcomes: of the same prompts.

    Example:
        >>> own = Outcomes.of([0, 0, 1, 1], ["task"] * 4, range(4))
        >>> concordance([1, 3, 2, 4], own).value
        0.75
    """
    own = np.asarray(scores, dtype=np.float64)
    right, pairs = np.zeros((2, len(own)))
    for stratum in np.unique(outcomes.strata):
        places = np.flatnonzero(outcomes.strata == stratum)
        values, told = outcomes.values[places], own[places]
        step = max(_BLOCK // len(places), 1)
        for start in range(0, len(places), step):
            rows = slice(start, start + step)
            apart = np.sign(values[rows, None] - values)
            agreed = np.sign(told[rows, None] - told)
            mine = np.abs(apart).sum(axis=1)
            pairs[places[rows]] = mine
            right[places[rows]] = (mine + np.einsum("ij,ij->i", apart, agreed)) / 2
    units = int(outcomes.clusters.max(initial=-1)) + 1
    if not pairs.any():
        return Concordance(np.nan, np.full(units, np.nan))
    value = float(right.sum() / pairs.sum())
    # Each pair is counted at both of its prompts.
    moved = 2 * (right - value * pairs) / pairs.sum()
    added = np.bincount(outcomes.clusters, weights=moved, minlength=units)
    return Concordance(value, np.asarray(value + units * added, dtype=np.float64))
