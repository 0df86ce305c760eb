"""The highest task against the best other, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._frames import of_metrics, of_model
from cortexscope.analysis._places import places
from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import layer_contrasts

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Depth"]


class Depth(Step):
    """As `stats.layer_contrasts` gives them (max-T over layers)."""

    name = "depth"
    holds = "where along depth the highest task differs from the next"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, model and layer."""
        tables = []
        for place in places(of):
            keys = ["model", "task", "prompt_id", "cluster", "layer"]
            found = layer_contrasts(
                place.values.groupby(keys, sort=False)["value"].mean().reset_index(),
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
        """Return why no layers are compared."""
        return of.one_task or "no metric that was looked at closely has values of layers"
