"""The figures of a report as data: one file a figure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from cortexscope.report._figure import Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures import depth, experts, groups, length, task_map, task_means

__all__ = ["FIGURES", "figures_of"]

FIGURES: Mapping[str, Callable[[RunFrames, Labels], Figure]] = {
    "task_map": task_map.build,
    "length": length.build,
    "depth": depth.build,
    "experts": experts.build,
    "task_means": task_means.build,
}
"""The figures' builders by key, in the order of their numbers; those of groups come after."""


def figures_of(
    frames: RunFrames, labels: Labels, only: Collection[str] | None = None
) -> tuple[Figure, ...]:
    """Return figures of a run; one with nothing to draw has no panels, and notes say why.

    One that has neither panels nor notes has nothing to do with the run, and is left out.

    Args:
        frames: of the run.
        labels: of its metrics.
        only: those with these keys, all where None; no other is made, but those of groups together.
    """
    figures = [
        build(frames, labels) for key, build in FIGURES.items() if only is None or key in only
    ]
    if only is None or not FIGURES.keys() >= set(only):
        found = groups.build(frames, labels, first=len(FIGURES) + 1)
        figures += [figure for figure in found if only is None or figure.key in only]
    return tuple(figure for figure in figures if figure.panels or figure.notes)
