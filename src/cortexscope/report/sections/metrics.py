"""Every metric: one to be chosen, by model, layer, head, task and label; and all in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis import column_names, groups_of
from cortexscope.document import Chooser, Grid, Section
from cortexscope.errors import UsageError
from cortexscope.report._labels import plain, task_title
from cortexscope.report._shown import Shown
from cortexscope.store import PREFIX

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_LARGEST = 1_500_000
"""Numbers of a chooser: about 5 MB of a page. Beyond it labels and tasks are left out."""
_MOST_LABELS = 4
_MOST_GROUPS = 12
_TOLD = (
    "With JavaScript, one metric, model and task can be chosen here, layer by layer and head by "
    "head; cortexscope export has the same numbers as files."
)


def build(shown: Shown) -> Section:
    """Return a chooser over layers, heads, tasks and labels, and the table of all metrics."""
    tasks = _Chosen("", shown.frames.tasks, shown.frames.places)
    chosen = [tasks, *_labels(shown)]
    grids = _grids(shown, chosen)
    # What there is no room for goes, the last label first and tasks at the end.
    while chosen and sum(own.values.size for own in grids) > _LARGEST:
        chosen.pop()
        grids = _grids(shown, chosen)
    named = (f"{own.title}{task_title(name)}" for own in chosen for name in own.names)
    blocks = (Chooser("metrics", ("All prompts", *named), grids, _TOLD),) if grids else ()
    return Section("metrics", "All metrics", (*blocks, shown.table("metrics")))


class _Chosen(NamedTuple):
    """Groups of prompts that can be chosen."""

    title: str
    """What stands before their names."""
    names: tuple[str, ...]
    places: pd.DataFrame
    """Their means at each layer and head."""


def _labels(shown: Shown) -> Iterator[_Chosen]:
    """Yield the labels of the user's own, the first few that have few groups."""
    measured, left = shown.frames.measured, _MOST_LABELS
    for name in column_names(measured):
        try:
            groups = groups_of(measured, f"{PREFIX}{name}")
        except UsageError:
            continue
        if groups.values is None or not 2 <= len(groups.names) <= _MOST_GROUPS or not left:
            continue
        left -= 1
        known = groups.values.dropna()
        places = shown.frames.places_by(dict(zip(map(str, known.index), known, strict=True)))
        yield _Chosen(f"{plain(name)}: ", groups.names, places)


def _grids(shown: Shown, chosen: Sequence[_Chosen]) -> tuple[Grid, ...]:
    frames = shown.frames
    keys = ["metric", "model", "stack"]
    known, *more = (
        {tuple(map(str, key)): own for key, own in places.groupby(keys, sort=False)}
        for places in (frames.places, *(own.places for own in chosen))
    )
    grids = []
    specs = {metric: shown.labels.specs.get(metric) for metric in frames.metrics}
    # The first is shown at once, and the study's mean attention is the same in all layers.
    of_study = [metric for metric, spec in specs.items() if spec and spec.group == "study"]
    for metric in sorted(specs, key=of_study.__contains__):
        spec = specs[metric]
        for model in frames.labels:
            for stack in frames.stacks_of(model):
                own = known.get((metric, model, stack))
                if own is None or own["value"].isna().all():
                    continue
                parts = [
                    (found.get((metric, model, stack)), groups.names)
                    for found, groups in zip(more, chosen, strict=True)
                ]
                grids.append(
                    Grid(
                        title=shown.labels.axis(metric),
                        group=spec.group if spec else "others",
                        meaning=spec.definition if spec else "",
                        series=frames.named(model, stack),
                        first=int(own["layer"].min()),
                        heads=bool((own["head"] >= 0).any()),
                        values=_values(own, parts),
                    )
                )
    return tuple(grids)


def _values(
    own: pd.DataFrame, parts: Sequence[tuple[pd.DataFrame | None, tuple[str, ...]]]
) -> NDArray[np.float64]:
    """Return means [group, layer, head] of a metric: of all prompts, then of each group.

    Args:
        own: of the metric, by task.
        parts: the metric's means by group, None where there are none, and the groups' names.
    """
    import pandas as pd

    first = int(own["layer"].min())
    shape = int(own["layer"].max()) - first + 1, int(own["head"].clip(lower=0).max()) + 1
    # What was measured over all prompts together is no mean over tasks.
    together = own["task"].isna()
    if together.any():
        own, parts = own[together], ()
    chosen, number = [(np.zeros(len(own), np.intp), own)], 1
    for places, names in parts:
        if places is not None:
            group = pd.Index(names).get_indexer(pd.Index(places["task"]))
            chosen.append((np.where(group < 0, -1, group + number), places))
        number += len(names)
    made = np.zeros((2, number, *shape))
    for group, rows in chosen:
        n = rows["n"].to_numpy(dtype="float64")
        sums = np.where(n > 0, rows["value"].to_numpy(dtype="float64") * n, 0.0)
        place = group, (rows["layer"] - first).to_numpy(), rows["head"].clip(lower=0).to_numpy()
        known = group >= 0
        for total, added in zip(made, (sums, n), strict=True):
            np.add.at(total, tuple(axis[known] for axis in place), added[known])
    with np.errstate(invalid="ignore"):
        return np.asarray(made[0] / made[1])
