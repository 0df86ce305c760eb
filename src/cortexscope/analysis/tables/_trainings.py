"""What runs have of the checkpoints of a training, as the tables of its course take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis._trainings import FEWEST, Training, trainings_of
from cortexscope.analysis.tables._compared import ComparedStep
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import Bounds, MaxT, max_t_paired

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["DIVERGENCE", "Course", "TrainingStep"]

DIVERGENCE = "kl"
"""Stands among the metrics for the divergence from the checkpoint that others are compared with."""

Floats = NDArray[np.float64]


class Course(NamedTuple):
    """One metric of the prompts at each checkpoint of a training."""

    training: Training
    metric: str
    values: Floats
    """[prompt, checkpoint]; NaN where undefined."""
    tasks: NDArray[np.str_]
    clusters: NDArray[np.str_]
    bounds: Bounds

    @property
    def from_last(self) -> Floats:
        """By how much the values of a prompt lie above those at the last checkpoint."""
        return self.values - self.values[:, -1:]


class TrainingStep(Step):
    """A table of the course of trainings."""

    def concerns(self, of: Analysis) -> bool:
        """Return whether there are enough checkpoints of one training."""
        return bool(trainings_of(of.measured))

    def absent(self, of: Analysis) -> str:
        """Return why there is no course."""
        return f"no training has {FEWEST} checkpoints in the run"

    @staticmethod
    def courses(of: Analysis) -> tuple[Course, ...]:
        """Return the course of each metric over each training."""
        return of.once("courses", lambda: tuple(_courses(of)))

    @staticmethod
    def tested(of: Analysis, course: Course) -> MaxT:
        """Return whether checkpoints differ from the last, by flipped signs, [checkpoint]."""
        names = course.training.name, course.metric
        return of.once(
            ("from last", *names),
            lambda: max_t_paired(
                course.from_last[:, :-1],
                course.clusters,
                rng=of.stream("training_course", *names),
                permutations=of.settings.permutations,
            ),
        )


def _courses(of: Analysis) -> Iterator[Course]:
    for training in trainings_of(of.measured):
        rows = of.read[of.read["model"].isin(training.models)]
        apart = _divergence(of, training)
        if apart is not None:
            yield _course(training, DIVERGENCE, apart, (0.0, None))
        for metric, own in rows.groupby("metric", sort=False, observed=True):
            if own["value"].notna().any():
                yield _course(training, str(metric), own, bounds_of(own))


def _course(training: Training, metric: str, rows: pd.DataFrame, bounds: Bounds) -> Course:
    names = ["cluster", "prompt_id", "task"]
    rows = rows.astype(dict.fromkeys([*names, "model"], str))
    wide = rows.pivot(index=names, columns="model", values="value").reindex(
        columns=list(training.models)
    )
    clusters, _, tasks = (wide.index.get_level_values(own).to_numpy(dtype=str) for own in names)
    return Course(training, metric, wide.to_numpy(dtype=np.float64), tasks, clusters, bounds)


def _divergence(of: Analysis, training: Training) -> pd.DataFrame | None:
    """Return each prompt's divergence from the checkpoint that others were compared with."""
    import pandas as pd

    inside = {*training.models}
    pairs = [own for own in ComparedStep.pairs(of) if {own.base, own.model} <= inside]
    bases = {own.base for own in pairs}
    found = [_of_prompts(own.predictions) for own in pairs]
    found = [own for own in found if len(own)]
    if len(bases) != 1 or not found:
        return None
    # The checkpoint itself was not read beside itself: its divergence is 0 by definition.
    itself = found[0].assign(model=bases.pop(), value=0.0)
    return pd.concat([*found, itself])


def _of_prompts(rows: pd.DataFrame) -> pd.DataFrame:
    known = rows[rows["kl"].notna()]
    means: list[Any] = [float(np.mean(own)) for own in known["kl"]]
    return known[["cluster", "prompt_id", "task", "model"]].assign(value=means)
