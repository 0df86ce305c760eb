"""Tasks against models: the study's attention entropy beside the normalised one."""

from __future__ import annotations

from collections.abc import Sequence

from cortexscope.report._correlations import NORMALIZED_ENTROPY, STUDY_ENTROPY
from cortexscope.report._figure import Figure, HeatMap
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence

__all__ = ["build"]

_PAIR = (STUDY_ENTROPY, NORMALIZED_ENTROPY)


def build(frames: RunFrames, labels: Labels, *, metrics: Sequence[str] = _PAIR) -> Figure:
    """Return a heat map a metric, tasks from the longest prompts to the shortest."""
    cells = frames.cells(metrics)
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
    for metric in metrics:
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
                    )
                )
        if empty:
            notes.extend(absence(frames, labels, metric, empty))
    return Figure(
        key="task_map",
        number=1,
        title="Attention entropy by task and model",
        caption=(
            "A cell is the mean over the prompts of one task. Tasks stand in the order of the "
            "mean number of tokens of their prompts, given in parentheses, longest first: a panel "
            "that fades from top to bottom follows length. Colours run from the lowest to the "
            "highest task of each model. Left, the study's entropy, a sum over the rows of the "
            "attention matrix; right, the entropy of a row as a share of the largest possible "
            "(1: all visible tokens alike)."
            if tuple(metrics) == _PAIR and len(panels) == len(_PAIR)
            else "A cell is the mean over the prompts of one task. Tasks stand in the order of "
            "the mean number of tokens of their prompts, given in parentheses, longest first."
        ),
        panels=tuple(panels),
        notes=tuple(notes),
    )
