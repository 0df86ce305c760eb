"""Tasks by metrics: how far each task lies from the mean of all, raw and at equal lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Figure, HeatMap
from cortexscope.metrics import HEADLINE
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._words import counted
from cortexscope.report.tables import number_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TaskMatrix", "build"]

_FORMS = {"raw": "As measured", "adjusted": "At equal lengths"}
_CAPTION = (
    "A cell is the mean of a task's prompts less the mean of all tasks, in standard deviations of "
    "the metric over prompts, {of}. At equal lengths: as a natural spline in log tokens, fitted "
    "beside the tasks, has it for a prompt of the mean log length. Dark and bright lie on either "
    "side of the mean; what is left at equal lengths is not length. Intervals, p and n are in "
    "Table {table}. "
)


@dataclass(frozen=True, slots=True)
class TaskMatrix:
    """A panel a form, raw and at equal lengths; a column a metric."""

    metrics: tuple[str, ...] = HEADLINE

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one of fewer than two tasks gets no figure and no note."""
        grids = _grids(frames, self.metrics) if len(frames.tasks) > 1 else {}
        panels = []
        # On one scale, or the colours of the panels could not be compared.
        every = [np.abs(grid.to_numpy(dtype="float64")) for grid in grids.values()]
        farthest = max((float(np.nanmax(cells)) for cells in every), default=0.0)
        for form, title in _FORMS.items():
            if form in grids:
                grid = grids[form]
                panels.append(
                    HeatMap(
                        title=title,
                        rows=tuple(task_title(task) for task in grid.index),
                        columns=tuple(labels.title(metric) for metric in grid.columns),
                        values=grid.to_numpy(dtype="float64"),
                        scale=(f"-{farthest:.2g}", f"+{farthest:.2g}"),
                        farthest=farthest,
                    )
                )
        several = len(frames.labels) > 1
        of = "each model's in its own, then their mean" if several else "of the one model"
        return Figure(
            key="task_matrix",
            title="How far each task lies from the mean of all",
            caption=_CAPTION.format(of=of, table=number_of("task_effects")) + counted(frames),
            panels=tuple(panels),
            columns=1,
            notes=stacks_note(frames.many_stacked) if panels else (),
            finding=_finding(grids, labels),
        )


build = TaskMatrix()


def _grids(frames: RunFrames, metrics: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Return by form the distances from the mean of all tasks, a row a task, a column a metric."""
    analysis = frames.analysis
    found = analysis.table("means")
    if not len(found):
        return {}
    found = found[found["metric"].isin(metrics)]
    # Each model's mean in its own standard deviations; of all models, their mean.
    read = analysis.read
    spread = read.groupby(["metric", "model"], observed=True)["value"].std()
    own = found[found["scope"].isin(frames.labels)].copy()
    size = [spread.get(key, np.nan) for key in zip(own["metric"], own["scope"], strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        own["size"] = own["mean"].to_numpy(dtype="float64") / np.where(
            np.asarray(size, dtype="float64") > 0, size, np.nan
        )
    grids = {}
    for form in _FORMS:
        rows = own[own["form"] == form]
        grid = rows.groupby(["task", "metric"], sort=False)["size"].mean().unstack("metric")
        names = [name for name in metrics if name in grid and grid[name].notna().any()]
        grid = grid.reindex(index=list(frames.tasks), columns=names)
        if names:
            grids[form] = grid - grid.mean()
    return grids


def _finding(grids: dict[str, pd.DataFrame], labels: Labels) -> str:
    form = "adjusted" if "adjusted" in grids else "raw"
    if form not in grids:
        return ""
    known = labels.specs
    fair = [
        name for name in map(str, grids[form]) if name not in known or known[name].group != "study"
    ]
    cells = grids[form][fair].to_numpy(dtype="float64")
    if not np.isfinite(cells).any():
        return ""
    row, column = divmod(int(np.nanargmax(np.abs(cells))), len(fair))
    told = {"raw": "as measured", "adjusted": "at equal lengths"}[form]
    task = task_title(str(grids[form].index[row]))
    return (
        f"Farthest from the mean {told}, the study's measures aside: {task} in "
        f"{labels.title(fair[column])}, by {cells[row, column]:+.2f} standard deviations."
    )
