"""Differences between a run's models, over the prompts that all of them read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cortexscope.audit._records import Quantity, Verdict
from cortexscope.audit._words import metric_unit

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.stats import Estimate

__all__ = ["clustered", "difference", "mean_over_prompts", "verdict_of"]


def clustered(table: pd.DataFrame, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each cluster of prompts.

    Args:
        table: values by prompt and model, whose index has the clusters.
        numbers: one a row of it.
    """
    series = table.iloc[:, :0].assign(value=numbers)["value"]
    return series.groupby(level="cluster").mean().to_numpy(dtype=np.float64)


def mean_over_prompts(table: pd.DataFrame, numbers: NDArray[np.float64]) -> Estimate:
    """Return the mean over the clusters of prompts, with its t interval."""
    from cortexscope.stats import mean_of

    return mean_of(clustered(table, numbers))


def difference(name: str, found: Estimate, metric: str, *, read_by: str = "both") -> Quantity:
    """Return a difference that is claimed to be above 0."""
    note = f"n = {found.n} prompts, read by {read_by}; t interval"
    unit = metric_unit(metric)
    return Quantity(name, "> 0", found.value, found.low, found.high, found.positive, note, unit)


def verdict_of(right: bool | None) -> Verdict:
    """Return the verdict on what is clearly so, clearly not so, or neither."""
    return "cannot be checked" if right is None else "holds" if right else "contradicted"
