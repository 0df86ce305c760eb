"""The highest task against the best other, head by head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._places import contrasted
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import map_contrasts

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Heads"]


class Heads(Step):
    """As `stats.map_contrasts` gives them (Benjamini and Hochberg)."""

    name = "heads"
    holds = "which heads differ between these two tasks"
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, model, layer and head."""
        return contrasted(of, self.name, map_contrasts, lambda place: place.values, heads=True)

    def absent(self, of: Analysis) -> str:
        """Return why no heads are compared."""
        return of.one_task or "no metric that was looked at closely has values of heads"
