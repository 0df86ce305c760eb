"""How far each task lies from a model's other tasks, over all metrics together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Figure, HeatMap
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._standard import MEANING, USUAL, standard_scores
from cortexscope.report.figures._words import chosen, counted

__all__ = ["Specialisation", "build"]

_CAPTION = (
    "A cell is the root of the mean of z² over {metrics} metrics: how far the task lies from the "
    "model's other tasks, in standard deviations over prompts; below a model, the same over all "
    "its tasks. {even} No interval is given: squares of noise add up, and are never below 0. "
)
_EVEN = "Tasks that do not differ would have about {level:.2g}, the error of a mean of {n} prompts."


@dataclass(frozen=True, slots=True)
class Specialisation:
    """A heat map of tasks by models: the distance of a task from the model's others."""

    metrics: tuple[str, ...] = USUAL
    tasks: tuple[str, ...] = ()
    """Only these are compared, all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one task makes none."""
        scores = standard_scores(frames, self.metrics, self.tasks)
        tasks = chosen(frames, self.tasks)
        panels: tuple[HeatMap, ...] = ()
        finding = even = ""
        if len(scores):
            squares = scores.assign(z=scores["z"] ** 2)
            grid = squares.pivot_table(index="task", columns="model", values="z") ** 0.5
            grid = grid.reindex(index=list(tasks), columns=list(frames.labels))
            whole = (grid**2).mean() ** 0.5
            n = float(scores["n"].mean())
            even = _EVEN.format(level=np.sqrt((1 - 1 / len(tasks)) / n), n=f"{n:.0f}")
            panels = (
                HeatMap(
                    title="Distance from the model's other tasks (SD)",
                    rows=tuple(map(task_title, tasks)),
                    columns=tuple(map(plain, frames.labels)),
                    values=grid.to_numpy(dtype=np.float64),
                    said=tuple(f"all {value:.2f}" if np.isfinite(value) else "" for value in whole),
                    scale=("model's\nlowest", "model's\nhighest"),
                ),
            )
            values = grid.to_numpy(dtype=np.float64)
            row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
            model, task = frames.labels[column], tasks[row]
            own = scores[(scores["model"] == model) & (scores["task"] == task)]
            top = own.iloc[int(own["z"].abs().argmax())]
            finding = (
                f"{plain(model)} treats {task_title(task)} most unlike its other tasks, "
                f"{values[row, column]:.2f} SD over all metrics; most in "
                f"{labels.title(top['metric'])}, {top['z']:+.2f} SD."
            )
        metrics = scores["metric"].nunique()
        return Figure(
            key="specialisation",
            title="How far each task lies from a model's other tasks",
            caption=_CAPTION.format(metrics=metrics, even=even)
            + MEANING
            + counted(frames, self.tasks),
            panels=panels,
            notes=stacks_note(frames.many_stacked) if panels else (),
            finding=finding,
        )


build = Specialisation()
