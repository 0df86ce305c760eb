"""What every head or neuron is needed for, by a first-order estimate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis.tables._lesions import Estimated, LesionStep

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["LesionEstimates"]


class LesionEstimates(LesionStep):
    """A row a model and head or neuron: all there are.

    `estimate` is by how much surprisal would rise without it, nats a token, to first order, the
    mean over prompts; `low` and `high` are Student's 95 % interval over prompts.
    """

    name = "lesion_estimates"
    holds = "what every head or neuron is needed for, by a first-order estimate"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model and unit."""
        import pandas as pd

        tables = [_of(own) for own in self.estimated(of)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def absent(self, of: Analysis) -> str:
        """Return why there is nothing."""
        if self.lesioned(of):
            return "neither heads nor neurons were asked for"
        return super().absent(of)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield which unit is needed most, by estimate."""
        for (model, kind), own in of.table(self.name).groupby(["model", "kind"], sort=False):
            known = own[own["estimate"].notna()].sort_values("estimate")
            if len(known):
                most = known.iloc[-1]
                yield (
                    f"{model}: of all {len(own)} {kind}, {most['part']} is needed most by "
                    f"estimate: {most['estimate']:+.3g} nats a token "
                    f"[{most['low']:.3g}, {most['high']:.3g}]."
                )


def _of(own: Estimated) -> pd.DataFrame:
    """Return the mean of prompts, their paraphrases first, and its interval."""
    names, member = np.unique(own.prompts.clusters, return_inverse=True)
    known = np.isfinite(own.surprisal).all(axis=1)
    counts = np.bincount(member[known], minlength=len(names)).astype(np.float64)
    sums = np.zeros((len(names), own.surprisal.shape[1]))
    np.add.at(sums, member[known], own.surprisal[known])
    units = sums[counts > 0] / counts[counts > 0, None]
    n = len(units)
    mean = units.mean(axis=0) if n else np.full(sums.shape[1], np.nan)
    reach = np.full(sums.shape[1], np.nan)
    if n > 1:
        from scipy.special import stdtrit

        reach = units.std(axis=0, ddof=1) / np.sqrt(n) * stdtrit(n - 1, 0.975)
    return own.parts.assign(estimate=mean, low=mean - reach, high=mean + reach, prompts=n).pipe(
        lambda table: _first(table, own)
    )


def _first(table: pd.DataFrame, own: Estimated) -> pd.DataFrame:
    front = {"model": own.model, "kind": own.kind}
    return table.assign(**front)[[*front, *table.columns]]
