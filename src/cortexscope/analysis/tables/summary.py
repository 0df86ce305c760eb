"""Means and spread of each metric in each task and model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import summary
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Summary"]


class Summary(Step):
    """As `stats.summary` gives them, of all metrics."""

    name = "summary"
    holds = "mean, sd, n, median and trimmed mean of each task and model, with intervals"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, task and model."""
        import pandas as pd

        of.note("intervals of tasks and models")

        def of_metric(own: tuple[Any, pd.DataFrame]) -> pd.DataFrame:
            metric, frame = own
            part = summary(
                frame,
                rng=of.stream(self.name, str(metric)),
                resamples=of.settings.resamples,
                bounds=bounds_of(frame),
            )
            part.insert(0, "metric", metric)
            return part

        every = list(of.read.groupby("metric", sort=False))
        return pd.concat(list(threaded(of_metric, every)), ignore_index=True)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of how many means the intervals may hold less often than they say."""
        table = of.table(self.name)
        # A metric that a model has no value of at all says so in its reason.
        cells = table[table["caution"].notna() & (table["n"] > 0)]
        if len(cells):
            first = cells.sort_values("n_clusters", kind="stable").iloc[0]
            yield (
                f"Caution: intervals of {len(cells)} of {len(table)} means (metric, task, model) "
                f"may hold less often than they say; the first is {first['metric']}, "
                f"{first['task']}, {first['model']}: {first['caution']}."
            )
