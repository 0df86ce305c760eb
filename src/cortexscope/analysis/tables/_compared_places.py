"""What tables of layers and of heads of two models share: each metric's contrasts by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis._values import head_values, without_controls
from cortexscope.analysis.tables._compared import ComparedStep, Pair
from cortexscope.errors import UsageError
from cortexscope.stats import layer_contrasts, map_contrasts

if TYPE_CHECKING:
    from cortexscope.analysis._analysis import Analysis

__all__ = ["ComparedPlaces"]

_KEYS = ["model", "task", "prompt_id", "cluster", "layer"]


class ComparedPlaces(ComparedStep):
    """Contrasts of each metric and pair of models, a place a row."""

    heads: ClassVar[bool] = False
    """Whether places are heads, of the metrics that are looked at closely."""

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a pair, metric and place."""
        parts = []
        pairs = list(self.measured(of))
        for metric in of.focus if self.heads else of.metrics:
            for pair in pairs:
                found = self._of(of, pair, metric)
                if found is not None:
                    parts.append(found.assign(metric=metric, base=pair.base, model=pair.model))
        if not parts:
            return pd.DataFrame()
        table = pd.concat(parts, ignore_index=True).drop(columns=["a", "b"])
        first = ["base", "model", "metric"]
        return table[[*first, *(name for name in table.columns if name not in first)]]

    def _of(self, of: Analysis, pair: Pair, metric: str) -> pd.DataFrame | None:
        models = [pair.base, pair.model]
        found = without_controls(head_values(of.measured, [metric], models=models))
        found = of.groups.put(found)
        found = found[found["head"] >= 0] if self.heads else found
        found = found[np.isfinite(found["value"].to_numpy(dtype=np.float64))]
        if found["model"].nunique() < 2:
            return None
        bounds = bounds_of(found)
        texts = ("model", "task", "prompt_id", "cluster")
        if not self.heads:
            found = found.groupby(_KEYS, sort=False, observed=True)["value"].mean().reset_index()
        found = found.astype(dict.fromkeys(texts, str))
        contrasts = map_contrasts if self.heads else layer_contrasts
        try:
            return contrasts(
                found,
                pair.model,
                pair.base,
                by="model",
                rng=of.stream(self.name, metric, *models),
                permutations=of.settings.permutations,
                bounds=bounds,
            )
        except UsageError:
            # Models of which no layer has the metric in both.
            return None
