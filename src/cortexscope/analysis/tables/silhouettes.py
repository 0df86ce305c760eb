"""How far apart the tasks lie in each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._frames import stacked
from cortexscope.analysis._vectors import NO_STATES
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import silhouette_by_layer

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Silhouettes"]


class Silhouettes(Step):
    """As `stats.silhouette_by_layer` gives them."""

    name = "silhouettes"
    holds = "how far apart the tasks lie in each layer"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model and layer."""
        tables = []
        for own in of.states:
            of.note(f"{own.model}: how far apart the tasks lie in each layer")
            found = silhouette_by_layer(
                own.vectors,
                own.tasks,
                own.clusters,
                n_tokens=own.lengths,
                rng=of.stream(self.name, own.model),
                permutations=of.settings.of_layers,
            )
            tables.append(own.numbered(found.layers).assign(method=found.method))
        return stacked(tables)

    def absent(self, of: Analysis) -> str:
        """Return why there is no silhouette."""
        return NO_STATES
