"""Every pair of models over the prompts that both read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cortexscope.analysis._frames import of_metrics
from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import model_contrasts
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["ModelContrasts"]


class ModelContrasts(Step):
    """As `stats.model_contrasts` gives them."""

    name = "model_contrasts"
    holds = "every pair of models over the prompts that both read"
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric and pair of models."""

        def of_metric(own: tuple[Any, pd.DataFrame]) -> tuple[str, pd.DataFrame]:
            name, frame = own
            found = model_contrasts(
                frame,
                rng=of.stream(self.name, str(name)),
                permutations=of.settings.permutations,
                bounds=bounds_of(frame),
            )
            return str(name), found

        every = of.close.groupby("metric", sort=False)
        several = [own for own in every if own[1]["model"].nunique() > 1]
        return of_metrics(list(threaded(of_metric, several)))

    def absent(self, of: Analysis) -> str:
        """Return why no two models are compared."""
        return "the run has one model"
