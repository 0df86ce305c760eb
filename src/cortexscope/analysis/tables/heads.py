"""The highest task against the best other, head by head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis.tables._place import Place, PlaceStep
from cortexscope.stats import map_contrasts

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Heads"]


class Heads(PlaceStep):
    """As `stats.map_contrasts` gives them (Benjamini and Hochberg)."""

    name = "heads"
    holds = "which heads differ between these two tasks"
    heads = True

    def of_place(self, of: Analysis, place: Place) -> pd.DataFrame:
        """Return a row a layer and head."""
        return self.contrasted(of, place, map_contrasts, place.values)

    def absent(self, of: Analysis) -> str:
        """Return why no heads are compared."""
        return of.one_task or "no metric that was looked at closely has values of heads"
