"""The figures of a report as data: one file a figure."""

from __future__ import annotations

from cortexscope.report._figure import Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures import depth, experts, groups, length, task_map, task_means

__all__ = ["FIGURES", "figures_of"]

FIGURES = (task_map.build, length.build, depth.build, experts.build, task_means.build)
"""The figures' builders, in the order of their numbers."""


def figures_of(frames: RunFrames, labels: Labels) -> tuple[Figure, ...]:
    """Return all figures of a run; one with nothing to draw has no panels, and notes say why.

    One that has neither panels nor notes has nothing to do with the run, and is left out.
    """
    figures = [build(frames, labels) for build in FIGURES]
    figures += groups.build(frames, labels, first=len(FIGURES) + 1)
    return tuple(figure for figure in figures if figure.panels or figure.notes)
