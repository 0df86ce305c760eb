"""Every metric: one to be chosen, by model, layer, head and task; and all of them in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cortexscope.document import Chooser, Grid, Section
from cortexscope.report._labels import task_title
from cortexscope.report._shown import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_LARGEST = 1_500_000
"""Numbers of a chooser: about 5 MB of a page. Beyond it tasks are left out."""
_TOLD = (
    "With JavaScript, one metric, model and task can be chosen here, layer by layer and head by "
    "head; cortexscope export has the same numbers as files."
)


def build(shown: Shown) -> Section:
    """Return a chooser over layers, heads and tasks, and the table of all metrics."""
    grids = _grids(shown, shown.frames.tasks)
    groups: tuple[str, ...] = ("All prompts", *map(task_title, shown.frames.tasks))
    if sum(own.values.size for own in grids) > _LARGEST:
        grids, groups = _grids(shown, ()), groups[:1]
    blocks = (Chooser("metrics", groups, grids, _TOLD),) if grids else ()
    return Section("metrics", "All metrics", (*blocks, shown.table("metrics")))


def _grids(shown: Shown, tasks: tuple[str, ...]) -> tuple[Grid, ...]:
    frames = shown.frames
    places = frames.places.groupby(["metric", "model", "stack"], sort=False)
    known = {tuple(map(str, key)): own for key, own in places}
    grids = []
    for metric in frames.metrics:
        spec = shown.labels.specs.get(metric)
        for model in frames.labels:
            for stack in frames.stacks_of(model):
                own = known.get((metric, model, stack))
                if own is None or own["value"].isna().all():
                    continue
                grids.append(
                    Grid(
                        title=shown.labels.axis(metric),
                        group=spec.group if spec else "others",
                        meaning=spec.definition if spec else "",
                        series=frames.named(model, stack),
                        first=int(own["layer"].min()),
                        heads=bool((own["head"] >= 0).any()),
                        values=_values(own, tasks),
                    )
                )
    return tuple(grids)


def _values(own: pd.DataFrame, tasks: tuple[str, ...]) -> NDArray[np.float64]:
    """Return means [group, layer, head] of a metric: of all prompts, then of each task."""
    layer = (own["layer"] - own["layer"].min()).to_numpy()
    head = own["head"].clip(lower=0).to_numpy()
    n = own["n"].to_numpy(dtype="float64")
    sums = np.where(n > 0, own["value"].to_numpy(dtype="float64") * n, 0.0)
    together = own["task"].isna().to_numpy()
    # What was measured over all prompts together is no mean over tasks.
    whole = together if together.any() else np.ones(len(own), dtype=bool)
    chosen = [whole, *((own["task"] == task).to_numpy() for task in tasks if not together.any())]
    made = np.zeros((2, len(chosen), layer.max() + 1, head.max() + 1))
    for group, rows in enumerate(chosen):
        for number, added in enumerate((sums, n)):
            np.add.at(made[number, group], (layer[rows], head[rows]), added[rows])
    with np.errstate(invalid="ignore"):
        return np.asarray(made[0] / made[1])
