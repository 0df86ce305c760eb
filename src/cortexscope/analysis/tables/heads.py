"""The highest task against the best other, head by head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._frames import of_metrics, of_model
from cortexscope.analysis._places import places
from cortexscope.analysis._scopes import bounds_of
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

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, model, layer and head."""
        tables = []
        for place in places(of, heads=True):
            found = map_contrasts(
                place.values,
                place.task,
                place.other,
                by="task",
                rng=of.stream(self.name, place.metric, place.model),
                permutations=of.settings.permutations,
                bounds=bounds_of(place.values),
            )
            tables.append((place.metric, of_model(found, place.model)))
        return of_metrics(tables)

    def absent(self, of: Analysis) -> str:
        """Return why no heads are compared."""
        return of.one_task or "no metric that was looked at closely has values of heads"
