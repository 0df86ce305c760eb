"""How much of each metric's variance model, task, length and prompt explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._scopes import STANDARDISED, with_units
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import variance_explained
from cortexscope.threads import threaded

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

        def of_scope(own: tuple[str, str, pd.DataFrame]) -> pd.DataFrame:
            metric, scope, frame = own
            part = variance_explained(frame, standardised=scope == STANDARDISED)
            part.insert(0, "metric", metric)
            part.insert(1, "scope", scope)
            return part

        parts = list(threaded(of_scope, list(with_units(of.read))))
        return pd.concat(parts, ignore_index=True)
