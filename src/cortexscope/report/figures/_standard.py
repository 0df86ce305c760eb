"""How far each task lies from a model's other tasks, metric by metric, in standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortexscope.metrics import HEADLINE
from cortexscope.report._frames import RunFrames
from cortexscope.report.figures._words import chosen

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEANING", "USUAL", "standard_scores"]

USUAL = HEADLINE
"""The metrics that are taken where none is named, those of them that were measured."""

MEANING = (
    "z is the mean over a task's prompts less the mean of all tasks' means, in standard deviations "
    "over the model's prompts; so models and metrics of any size weigh the same. z holds what the "
    "tasks' lengths do, as the study's entropy does almost alone. "
)
"""What the scores are, for captions."""


def standard_scores(
    frames: RunFrames, metrics: Sequence[str], tasks: Sequence[str] = ()
) -> pd.DataFrame:
    """Return z of each task, by model and metric, in the orders of the run.

    z = (m_t - mean_t m_t) / s, m_t being the mean over the task's prompts and s the standard
    deviation (n - 1) over all prompts of these tasks, both of one model and metric. A metric
    without a value in one of the tasks, or that does not vary, has no row for the model.

    Args:
        frames: of the run.
        metrics: which; those that were not measured have no row.
        tasks: which of them are compared, all where empty.

    Returns:
        Columns model, metric, task, z, n (prompts).
    """
    import pandas as pd

    shown = chosen(frames, tasks)
    values = frames.values(metrics)
    values = values[values["value"].notna() & values["task"].isin(shown)]
    needed = values[["model", "metric", "task", "value"]]
    rows = {key: own for key, own in needed.groupby(["model", "metric"], sort=False)}
    parts = []
    for model in frames.labels:
        for metric in metrics:
            own = rows.get((model, metric), needed[:0])
            by_task = own.groupby("task", observed=True)["value"]
            means, spread = by_task.mean().reindex(list(shown)), own["value"].std()
            if len(shown) > 1 and means.notna().all() and spread > 0:
                parts.append(
                    pd.DataFrame(
                        {
                            "model": model,
                            "metric": metric,
                            "task": list(shown),
                            "z": ((means - means.mean()) / spread).to_numpy(),
                            "n": by_task.size().reindex(list(shown)).to_numpy(),
                        }
                    )
                )
    columns = ["model", "metric", "task", "z", "n"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
