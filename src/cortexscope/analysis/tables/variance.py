"""How much of each metric's variance model, task, length and prompt explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._scopes import STANDARDISED, with_units
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import variance_explained

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Variance"]


class Variance(Step):
    """As `stats.variance_explained` gives them, of all metrics."""

    name = "variance"
    holds = (
        "how much of the variance model, task, length and prompt explain, in each model, and over "
        "all of them standardised and in the metric's unit"
    )

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, scope and source of variance."""
        import pandas as pd

        of.note("what explains how much of the variance")
        parts = []
        for metric, scope, frame in with_units(of.read):
            part = variance_explained(frame, standardised=scope == STANDARDISED)
            part.insert(0, "metric", metric)
            part.insert(1, "scope", scope)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)
