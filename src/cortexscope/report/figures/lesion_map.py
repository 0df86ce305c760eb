"""Which tasks need which parts of a model: a map of parts by tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Figure, HeatMap
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_CAPTION = (
    "A cell says how much more a task needs a part than tasks do on average: log2 of its KL "
    "divergence without the part, less the mean of that over tasks; +1 is twice as much, -1 half. "
    "It is as measured; which cells are more than chance and length, the table of specific parts "
    "says. A part whose absence changes nothing has no cells. Intervals are in "
    "stats/lesion_effects.csv."
)


def build(frames: RunFrames, labels: Labels) -> Figure:
    """Return a panel a model and kind of part; none where there is one task."""
    panels = []
    if frames.measured.lesioned and len(frames.tasks) > 1:
        table = frames.analysis.table("lesion_effects")
        several = table["model"].nunique() > 1
        for (model, kind), own in table[table["task"].notna()].groupby(
            ["model", "kind"], sort=False
        ):
            grid = _grid(own, list(frames.tasks))
            values = grid.to_numpy(dtype=np.float64)
            if not np.isfinite(values).any():
                continue
            of = f"{plain(str(model))}, " if several else ""
            panels.append(
                HeatMap(
                    title=f"{of}{kind}",
                    rows=tuple(grid.index),
                    columns=tuple(map(task_title, grid.columns)),
                    values=values,
                    scale=("needed\nless", "needed\nmore"),
                    farthest=float(np.nanmax(np.abs(values))),
                )
            )
    title = "Which tasks need which parts"
    return Figure("lesion_map", title, _CAPTION if panels else "", tuple(panels), columns=1)


def _grid(own: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """Return log2 of KL less its mean over tasks, a row a part, a column a task."""
    parts = list(dict.fromkeys(own["part"]))
    kl = own.pivot(index="part", columns="task", values="kl").reindex(index=parts)
    kl = kl.reindex(columns=[task for task in tasks if task in kl])
    found: pd.DataFrame = kl.where(kl > 0).apply(np.log2)
    return found.sub(found.mean(axis=1), axis=0)
