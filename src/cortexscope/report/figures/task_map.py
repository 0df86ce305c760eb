"""Tasks against models: the study's attention entropy beside the normalised one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.document import Figure, HeatMap
from cortexscope.report._correlations import NORMALIZED_ENTROPY, STUDY_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import chosen, counted, sentence, spanned, subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TaskMap", "build"]

_PAIR = (STUDY_ENTROPY, NORMALIZED_ENTROPY)


_CAPTION = (
    "A cell is the mean over the prompts of one task. Tasks stand in the order of the mean number "
    "of tokens of their prompts, given in parentheses, longest first. Below a model, how far its "
    "tasks lie apart: the range of their means as a share of the mean of these"
)
_OF_PAIR = (
    ". A panel that fades from top to bottom follows length. Colours run from the lowest to the "
    "highest task of each model. Left, the study's entropy, a sum over the rows of the attention "
    "matrix; right, the entropy of a row as a share of the largest possible (1: all visible tokens "
    "alike)."
)


@dataclass(frozen=True, slots=True)
class TaskMap:
    """A heat map a metric, tasks from the longest prompts to the shortest."""

    metrics: tuple[str, ...] = _PAIR
    tasks: tuple[str, ...] = ()
    """Only these, all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        cells = frames.cells(self.metrics)
        lengths = cells.groupby("task")["tokens"].mean()
        order = sorted(
            chosen(frames, self.tasks),
            key=lambda task: -lengths[task] if lengths[task] == lengths[task] else 0.0,
        )
        rows = tuple(
            f"{task_title(task)} ({lengths[task]:.0f})"
            if lengths[task] == lengths[task]
            else f"{task_title(task)} (–)"
            for task in order
        )
        panels, found = [], []
        notes = list(stacks_note(frames.many_stacked))
        for metric in self.metrics:
            empty = list(frames.labels)
            if metric in frames.metrics:
                grid = cells.pivot(index="task", columns="model", values=metric)
                grid = grid.reindex(index=order, columns=list(frames.labels))
                empty = [model for model in frames.labels if grid[model].isna().all()]
                if len(empty) < len(frames.labels):
                    spreads = {model: _spread(grid[model]) for model in frames.labels}
                    if known := [value for value in spreads.values() if value is not None]:
                        found.append(f"{spanned(known)} % of their mean in {labels.title(metric)}")
                    panels.append(
                        HeatMap(
                            title=labels.axis(metric),
                            rows=rows,
                            columns=tuple(plain(model) for model in frames.labels),
                            values=grid.to_numpy(dtype="float64"),
                            said=tuple(map(_percent, spreads.values())),
                            scale=("model's\nlowest", "model's\nhighest"),
                        )
                    )
            if empty:
                notes.extend(absence(frames, labels, metric, empty))
        of_pair = self.metrics == _PAIR and len(panels) == len(_PAIR)
        return Figure(
            key="task_map",
            title=f"{subject(labels, self.metrics, _PAIR, 'Attention entropy')} by task and model",
            caption=f"{_CAPTION}{_OF_PAIR if of_pair else '.'} {counted(frames, self.tasks)}",
            panels=tuple(panels),
            notes=tuple(notes),
            finding=sentence(
                ["The tasks' means range over " + found[0], *found[1:]] if found else []
            ),
        )


build = TaskMap()


def _spread(means: pd.Series) -> float | None:
    """Return the range of the tasks' means, in % of the mean of these."""
    known = means.dropna()
    if len(known) < 2 or not known.mean():
        return None
    return 100 * float((known.max() - known.min()) / abs(known.mean()))


def _percent(spread: float | None) -> str:
    return "" if spread is None else f"range {spread:.3g} %"
