"""Which task has the highest value of each metric, and whether that outlives length control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import bounds_of, scopes
from cortexscope.analysis._values import without_controls
from cortexscope.stats import highest_task, leading_task, task_means

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["leaders", "means_by_task"]


def means_by_task(values: pd.DataFrame) -> pd.DataFrame:
    """Return each task's mean with its interval, raw and at equal lengths, of each scope.

    Those of all models are in standard deviations, from the mean over all prompts.

    Args:
        values: as `prompt_values` gives them; controls but paraphrases are left out.

    Returns:
        Columns metric, scope, form, task, mean, low, high, n, method, reason,
        caution.
    """
    import pandas as pd

    found = []
    for metric, scope, frame in scopes(without_controls(values)):
        for form in ("raw", "adjusted"):
            means = task_means(frame, adjusted=form == "adjusted", bounds=bounds_of(frame))
            found.append(means.assign(metric=metric, scope=scope, form=form))
    columns = ["metric", "scope", "form", "task", "mean", "low", "high", "n", "method", "reason"]
    columns.append("caution")
    return pd.concat(found, ignore_index=True)[columns]


def leaders(values: pd.DataFrame) -> pd.DataFrame:
    """Return the task with the highest raw mean of each metric and scope, raw and adjusted.

    Differences of all models are in standard deviations.

    Args:
        values: as `prompt_values` gives them; controls but paraphrases are left out.

    Returns:
        Columns metric, scope, task, form, other (the best of the others), difference (to it), low,
        high, holds (whether the interval leaves out 0 on the right side; None where open), n,
        method, reason, caution.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for metric, scope, frame in scopes(without_controls(values)):
        task = leading_task(frame)
        if task is None:
            continue
        for form in ("raw", "adjusted"):
            found = highest_task(frame, task, adjusted=form == "adjusted", bounds=bounds_of(frame))
            rows.append(
                {
                    "metric": metric,
                    "scope": scope,
                    "task": task,
                    "form": form,
                    "other": found.other,
                    "difference": found.difference,
                    "low": found.low,
                    "high": found.high,
                    "holds": found.holds,
                    "n": found.n,
                    "method": found.method,
                    "reason": found.reason,
                    "caution": found.caution,
                }
            )
    return pd.DataFrame(rows)
