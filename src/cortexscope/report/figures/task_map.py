"""Tasks against models: the study's attention entropy beside the normalised one."""

from __future__ import annotations

from dataclasses import dataclass

from cortexscope.document import Figure, HeatMap
from cortexscope.report._correlations import NORMALIZED_ENTROPY, STUDY_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence

__all__ = ["TaskMap", "build"]

_PAIR = (STUDY_ENTROPY, NORMALIZED_ENTROPY)


_CAPTION = (
    "A cell is the mean over the prompts of one task. Tasks stand in the order of the mean number "
    "of tokens of their prompts, given in parentheses, longest first"
)
_OF_PAIR = (
    ": a panel that fades from top to bottom follows length. Colours run from the lowest to the "
    "highest task of each model. Left, the study's entropy, a sum over the rows of the attention "
    "matrix; right, the entropy of a row as a share of the largest possible (1: all visible tokens "
    "alike)."
)


@dataclass(frozen=True, slots=True)
class TaskMap:
    """A heat map a metric, tasks from the longest prompts to the shortest."""

    metrics: tuple[str, ...] = _PAIR

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        cells = frames.cells(self.metrics)
        lengths = cells.groupby("task")["tokens"].mean()
        order = sorted(
            frames.tasks, key=lambda task: -lengths[task] if lengths[task] == lengths[task] else 0.0
        )
        rows = tuple(
            f"{task_title(task)} ({lengths[task]:.0f})"
            if lengths[task] == lengths[task]
            else f"{task_title(task)} (–)"
            for task in order
        )
        panels = []
        notes = list(stacks_note(frames.many_stacked))
        for metric in self.metrics:
            empty = list(frames.labels)
            if metric in frames.metrics:
                grid = cells.pivot(index="task", columns="model", values=metric)
                grid = grid.reindex(index=order, columns=list(frames.labels))
                empty = [model for model in frames.labels if grid[model].isna().all()]
                if len(empty) < len(frames.labels):
                    panels.append(
                        HeatMap(
                            title=labels.axis(metric),
                            rows=rows,
                            columns=tuple(plain(model) for model in frames.labels),
                            values=grid.to_numpy(dtype="float64"),
                            scale=("model's\nlowest", "model's\nhighest"),
                        )
                    )
            if empty:
                notes.extend(absence(frames, labels, metric, empty))
        of_pair = self.metrics == _PAIR and len(panels) == len(_PAIR)
        return Figure(
            key="task_map",
            title="Attention entropy by task and model",
            caption=_CAPTION + (_OF_PAIR if of_pair else "."),
            panels=tuple(panels),
            notes=tuple(notes),
        )


build = TaskMap()
