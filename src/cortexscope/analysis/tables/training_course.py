"""How metrics go over a training: at each checkpoint, and beside the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis.tables._compared import estimated
from cortexscope.analysis.tables._trainings import TrainingStep
from cortexscope.stats import difference_interval

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis
    from cortexscope.analysis.tables._trainings import Course, Floats

__all__ = ["TrainingCourse"]


class TrainingCourse(TrainingStep):
    """A row a training, metric, task and checkpoint, and one over all prompts, with empty `task`.

    `mean` is that of prompts with its interval, `difference` the mean of what a prompt's value at
    the checkpoint lies above its value at the last one, with the interval of such pairs. Over all
    prompts `p` is that of flipped signs, adjusted over the checkpoints (max-T). The metric `kl` is
    the Kullback-Leibler divergence of predictions from those of the checkpoint that the others were
    compared with, nats a token.
    """

    name = "training_course"
    holds = "how each metric goes over the checkpoints of a training"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a training, metric, task and checkpoint."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for course in self.courses(of):
            adjusted = self.tested(of, course).p_adjusted
            rows += _rows(of, course, None, np.append(adjusted, np.nan))
            for task in dict.fromkeys(course.tasks.tolist()):
                rows += _rows(of, course, task, np.full(len(course.training.steps), np.nan))
        return pd.DataFrame(rows)


def _rows(of: Analysis, course: Course, task: str | None, p: Floats) -> list[dict[str, Any]]:
    training = course.training
    chosen = np.full(len(course.tasks), True) if task is None else course.tasks == task
    values, clusters = course.values[chosen], course.clusters[chosen]
    rng = of.stream("training_course", training.name, course.metric, task or "")
    rows = []
    last = len(training.steps) - 1
    for number, (model, step) in enumerate(zip(training.models, training.steps, strict=True)):
        own = values[:, number]
        known = np.isfinite(own)
        apart = difference_interval(
            own, values[:, -1], clusters=(clusters, clusters), paired=True, bounds=course.bounds
        )
        ends = (apart.value, apart.low, apart.high) if number < last else (None, None, None)
        cells = dict(zip(("difference", "difference_low", "difference_high"), ends, strict=True))
        rows.append(
            {
                "training": training.name,
                "metric": course.metric,
                "task": task,
                "model": model,
                "step": step,
                **estimated("mean", own, clusters, rng=rng, bounds=course.bounds),
                **{name: np.nan if end is None else end for name, end in cells.items()},
                "p": p[number],
                "prompts": len({*clusters[known].tolist()}),
                "reason": "it is the last checkpoint" if number == last else apart.reason,
            }
        )
    return rows
