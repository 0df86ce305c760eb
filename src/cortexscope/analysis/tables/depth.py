"""The highest task against the best other, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._places import Place, contrasted
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
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, model and layer."""
        return contrasted(of, self.name, layer_contrasts, _by_layer)

    def absent(self, of: Analysis) -> str:
        """Return why no layers are compared."""
        return of.one_task or "no metric that was looked at closely has values of layers"


def _by_layer(place: Place) -> pd.DataFrame:
    keys = ["model", "task", "prompt_id", "cluster", "layer"]
    return place.values.groupby(keys, sort=False)["value"].mean().reset_index()
