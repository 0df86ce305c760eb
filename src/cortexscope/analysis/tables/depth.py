"""The highest task against the best other, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis.tables._place import Place, PlaceStep
from cortexscope.stats import layer_contrasts

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Depth"]


class Depth(PlaceStep):
    """As `stats.layer_contrasts` gives them (max-T over layers)."""

    name = "depth"
    holds = "where along depth the highest task differs from the next"

    def of_place(self, of: Analysis, place: Place) -> pd.DataFrame:
        """Return a row a layer."""
        keys = ["model", "task", "prompt_id", "cluster", "layer"]
        means = place.values.groupby(keys, sort=False, observed=True)["value"].mean().reset_index()
        return self.contrasted(of, place, layer_contrasts, means)

    def absent(self, of: Analysis) -> str:
        """Return why no layers are compared."""
        return of.one_task or "no metric that was looked at closely has values of layers"
