"""Each task's mean of each metric, raw and at equal lengths."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from cortexscope.analysis._scopes import bounds_of, scopes
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import task_means, units_of
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Means"]


class Means(Step):
    """Those of all models are in standard deviations, from the mean over all prompts."""

    name = "means"
    holds = (
        "each task's mean, raw and at equal lengths, with intervals; of all models in standard "
        "deviations"
    )
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, scope, form (raw, adjusted) and task."""
        import pandas as pd

        found = chain.from_iterable(threaded(lambda own: _of_scope(*own), list(scopes(of.close))))
        columns = ["metric", "scope", "form", "task", "mean", "low", "high", "n", "method"]
        columns += ["reason", "caution"]
        return pd.concat(found, ignore_index=True)[columns]


def _of_scope(metric: str, scope: str, frame: pd.DataFrame) -> list[pd.DataFrame]:
    units, found = units_of(frame), []
    for form in ("raw", "adjusted"):
        means = task_means(units, adjusted=form == "adjusted", bounds=bounds_of(frame))
        found.append(means.assign(metric=metric, scope=scope, form=form))
    return found
