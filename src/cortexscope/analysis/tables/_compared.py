"""What runs have of pairs of models, as the tables of comparisons take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.analysis._values import clusters_of
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import Bounds, interval
from cortexscope.store import Pairs

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["ComparedStep", "Pair", "estimated"]

_NONE = (
    "no model of the run was compared with another; `cortexscope compare` lets them read the same "
    "prompts side by side"
)


class Pair(NamedTuple):
    """A model and the one that it is compared with."""

    base: str
    model: str
    noise: bool
    """Whether the model is the base itself in bfloat16."""
    predictions: pd.DataFrame
    """The columns of `PAIRS`, and cluster."""
    drifts: pd.DataFrame
    """The columns of `DRIFTS`, and cluster."""

    @property
    def names(self) -> dict[str, object]:
        """What all rows of the pair begin with."""
        return {"base": self.base, "model": self.model, "noise": self.noise}


class ComparedStep(Step):
    """A table of pairs of models."""

    def concerns(self, of: Analysis) -> bool:
        """Return whether models were compared."""
        return of.measured.compared

    def absent(self, of: Analysis) -> str:
        """Return why there is nothing to compare."""
        return _NONE

    @staticmethod
    def pairs(of: Analysis) -> Iterator[Pair]:
        """Yield the pairs, prompts and their paraphrases alone."""
        found = of.once("pairs", lambda: _usable(of))
        place = {label: number for number, label in enumerate(of.measured.labels)}
        last = len(place)
        parts = [
            Pair(
                str(base),
                str(model),
                bool(noise),
                own,
                found.drifts[(found.drifts["base"] == base) & (found.drifts["model"] == model)],
            )
            for (base, model, noise), own in found.predictions.groupby(["base", "model", "noise"])
        ]
        # In the order of the run; what is no model of it, such as a noise floor, comes last.
        yield from sorted(
            parts, key=lambda own: (place.get(own.base, last), place.get(own.model, last))
        )

    @classmethod
    def measured(cls, of: Analysis) -> Iterator[Pair]:
        """Yield those pairs of which the run measured both models."""
        labels = of.measured.labels
        return (own for own in cls.pairs(of) if own.base in labels and own.model in labels)


def estimated(
    name: str,
    values: ArrayLike,
    clusters: NDArray[Any],
    *,
    rng: np.random.Generator,
    bounds: Bounds = (None, None),
) -> dict[str, float]:
    """Return the mean of prompts and its interval as the cells NAME, NAME_low and NAME_high.

    Where every value is exactly 0, so are both ends: the two models compute the same, and there is
    nothing that other prompts could show.
    """
    found = interval(values, clusters, rng=rng, bounds=bounds)
    same = found.n > 0 and found.low is None and not np.any(np.nan_to_num(values))
    ends = (0.0, 0.0) if same else (found.low, found.high)
    cells = dict(zip((name, f"{name}_low", f"{name}_high"), (found.value, *ends), strict=True))
    return {key: np.nan if own is None else float(own) for key, own in cells.items()}


def _usable(of: Analysis) -> Pairs:
    clusters = clusters_of(of.measured)

    def usable(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.assign(cluster=frame["prompt_id"].map(clusters))
        return of.groups.put(frame[frame["cluster"].notna()])

    return Pairs(*map(usable, of.measured.pairs()))
