"""Tables of single models and metrics, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["of_metrics", "of_model", "stacked"]


def of_model(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return a table with its model as the first column."""
    frame = frame.copy()
    frame.insert(0, "model", model)
    return frame


def of_metrics(parts: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return tables of metrics below one another, with the metric as the first column."""
    return stacked([of_first(frame, metric) for metric, frame in parts])


def of_first(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    return frame.assign(metric=metric)[["metric", *frame.columns]]


def stacked(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables below one another; an empty one where there are none."""
    import pandas as pd

    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
