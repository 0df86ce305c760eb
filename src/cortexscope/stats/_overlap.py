"""Whether tasks have prompts of about equal length, without which nothing can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._layers import ReadUnits
from cortexscope.stats._units import Units

__all__ = ["Overlap", "overlap_of"]

_ALIKE = np.log(1.25)
_FEWEST = 0.5
_LINKED = 0.1


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far tasks share their lengths."""

    share: float | None
    """Share of the prompts that another task has one of about equal length for; None with no
    prompts or one task."""
    reason: str | None
    """Why tasks cannot be compared at equal lengths; None where they can."""


def overlap_of(units: Units | ReadUnits) -> Overlap:
    """Return how many prompts another task has one of about equal length for.

    Two lengths are about equal where neither is more than a quarter longer. Tasks can be compared
    where this holds for at least half of all prompts, and where every task is linked to every
    other by a chain of tasks that share a tenth of their lengths.
    """
    tasks = len(units.tasks)
    if tasks < 2:
        return Overlap(None, None)
    if isinstance(units, Units) and units.blocks is not None:
        return _of_blocks(units, units.blocks)
    near = _near(units.logs, units.codes, tasks)
    share = float(near.any(axis=1).mean())
    from scipy.sparse.csgraph import connected_components

    links = np.array([near[units.codes == task].mean(axis=0) for task in range(tasks)]) >= _LINKED
    pieces, piece = connected_components(links & links.T, directed=False)
    percent = f"{100 * share:.0f} % of the prompts have one of about equal length in another task"
    if share < _FEWEST:
        return Overlap(share, f"only {percent}")
    if pieces > 1:
        smallest = np.flatnonzero(piece == np.argmin(np.bincount(piece)))
        names = ", ".join(units.tasks[task] for task in smallest)
        return Overlap(share, f"the lengths of {names} are hardly those of any other task")
    return Overlap(share, None)


def _near(logs: NDArray[np.float64], codes: NDArray[np.intp], tasks: int) -> NDArray[np.bool_]:
    """Return whether each other task has a unit of about equal length, [unit, task]."""
    near = np.empty((len(logs), tasks), dtype=bool)
    # Places of rising lengths are found in a quarter of the time.
    order = np.argsort(logs)
    rising = logs[order]
    for task in range(tasks):
        theirs = rising[codes[order] == task]
        first = np.searchsorted(theirs, rising - _ALIKE - 1e-12)
        near[order, task] = np.searchsorted(theirs, rising + _ALIKE + 1e-12, side="right") > first
    near[np.arange(len(logs)), codes] = False
    return near


def _of_blocks(units: Units, blocks: NDArray[np.intp]) -> Overlap:
    """Return the same inside of blocks, over those that have several tasks."""
    found = []
    for block in np.unique(blocks):
        own = blocks == block
        if len(np.unique(units.codes[own])) > 1:
            found.append(_near(units.logs[own], units.codes[own], len(units.tasks)).any(axis=1))
    if not found:
        return Overlap(None, None)
    share = float(np.concatenate(found).mean())
    said = (
        f"only {100 * share:.0f} % of the prompts have one of about equal length in another task "
        "of their block"
    )
    return Overlap(share, said if share < _FEWEST else None)
