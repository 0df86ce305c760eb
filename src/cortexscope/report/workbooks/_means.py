"""Means of tasks and differences of models, as the statistics of the run have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cortexscope.report._contrasts import MANY, compares_models, turned
from cortexscope.report._frames import RunFrames

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pairs", "pairs_of", "scope_of", "task_rows"]


def task_rows(frames: RunFrames) -> Mapping[tuple[str, str, str, str], Mapping[Any, Any]]:
    """Return the rows of the statistics' table `means`, by metric, scope, form and task."""
    found = frames.analysis.table("means")
    return {
        (row["metric"], row["scope"], row["form"], row["task"]): row
        for row in found.to_dict("records")
    }


def scope_of(frames: RunFrames) -> str | None:
    """Return the scope that tasks are compared in: all models together, or the only one.

    None where no model has a value.
    """
    found = frames.analysis.table("means")
    return str(found["scope"].iloc[-1]) if len(found) else None


class Pairs(NamedTuple):
    """How far models lie apart over the prompts that both read."""

    frame: pd.DataFrame
    """As the statistics' table `model_contrasts`; empty where `reason` says why."""
    reason: str

    def between(self, metric: str, task: str | None, a: str, b: str) -> Mapping[Any, Any]:
        """Return how far a model lies above another: difference, low, high, p_max_t, reason."""
        own = self.frame
        if len(own):
            same = own["task"].isna() if task is None else own["task"] == task
            own = own[same & (own["metric"] == metric) & own["a"].isin([a, b])]
            own = own[own["b"].isin([a, b])]
        if not len(own):
            reason = self.reason or "the two were not compared"
            return dict.fromkeys(("difference", "low", "high", "p_max_t"), None) | {
                "reason": reason
            }
        row: dict[Any, Any] = own.iloc[0].to_dict()
        return row if row["a"] == a else turned(row)


def pairs_of(frames: RunFrames, metrics: Sequence[str]) -> Pairs:
    """Return every pair of models in these metrics.

    Those that the statistics do not look at closely are compared here in the same way.
    """
    import pandas as pd

    models = [model for model in frames.labels if frames.stacks_of(model)]
    if len(models) < 2:
        return Pairs(pd.DataFrame(), "fewer than two models were measured")
    analysis = frames.analysis
    if not compares_models(frames):
        return Pairs(pd.DataFrame(), MANY.format(models=len(models)))
    found = [analysis.table("model_contrasts"), *_others(frames, metrics)]
    found = [own for own in found if len(own)]
    if not found:
        return Pairs(pd.DataFrame(), "no two models read the same prompts")
    return Pairs(pd.concat(found, ignore_index=True), "")


def _others(frames: RunFrames, metrics: Sequence[str]) -> Iterator[pd.DataFrame]:
    from cortexscope.analysis import prompt_values, without_controls
    from cortexscope.stats import model_contrasts

    analysis = frames.analysis
    for metric in metrics:
        if metric in analysis.focus or metric not in frames.metrics:
            continue
        values = without_controls(prompt_values(frames.measured, [metric]))
        if values["model"].nunique() > 1:
            yield model_contrasts(
                values,
                rng=analysis.stream("model_contrasts", metric),
                permutations=analysis.settings.permutations,
                bounds=frames.measured.specs[metric].bounds,
            ).assign(metric=metric)
