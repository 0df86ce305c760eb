"""How every other metric runs along the depth of the models, a figure a group of metrics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cortexscope.document import Figure, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures import depth
from cortexscope.report.figures._words import counted, sentence

__all__ = ["Group", "groups_of"]

_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Group:
    """A panel a metric of a group, of each model's primary stack; no figure where none is known."""

    key: str
    name: str
    metrics: tuple[str, ...]

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        layers = frames.layers(self.metrics)
        panels: list[Lines] = []
        for metric in self.metrics:
            panel, _ = depth.panel_of(frames, labels, layers, metric, None, primary=True)
            if panel is not None:
                # The panel's heading names the metric; beside narrow panels the axis has no room.
                panels.append(replace(panel, y_title=labels.unit(metric)))
        return Figure(
            key=self.key,
            title=f"{plain(self.name)[:1].upper()}{plain(self.name)[1:]}, layer by layer",
            caption=depth.CAPTION + counted(frames),
            finding=_finding(panels),
            panels=tuple(panels),
            columns=_COLUMNS,
            notes=stacks_note(frames.many_stacked) if panels else (),
        )


def _finding(panels: Sequence[Lines]) -> str:
    """Return the course of the metric that changes most along depth, by its own size."""

    def change(panel: Lines) -> float:
        known = [line.y[np.isfinite(line.y)] for line in panel.lines]
        sizes = [np.ptp(own) / np.abs(own).mean() for own in known if np.abs(own).sum() > 0]
        return float(max(sizes, default=0.0))

    return sentence([depth.course(max(panels, key=change))] if panels else [])


def groups_of(frames: RunFrames, labels: Labels) -> dict[str, Group]:
    """Return by key each group that has metrics beside those of the figure `depth`."""
    groups: dict[str, Group] = {}
    for metric in frames.metrics:
        spec = labels.specs.get(metric)
        if spec is not None and metric not in depth.METRICS and "layer" in spec.axes:
            key = "depth-" + re.sub("[^a-z0-9]+", "-", spec.group.lower())
            own = groups.get(key, Group(key, spec.group, ()))
            groups[key] = replace(own, metrics=(*own.metrics, metric))
    return groups
