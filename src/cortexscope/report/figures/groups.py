"""How every other metric runs along the depth of the models, a figure a group of metrics."""

from __future__ import annotations

import re
from dataclasses import replace

from cortexscope.report._figure import Figure, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures import depth

__all__ = ["build"]

_COLUMNS = 3


def build(frames: RunFrames, labels: Labels, *, first: int) -> tuple[Figure, ...]:
    """Return a figure for each group that has metrics beside those of the figure `depth`.

    Args:
        frames: of the run.
        labels: of its metrics.
        first: number of the first figure.
    """
    named: dict[str, list[str]] = {}
    for metric in frames.metrics:
        spec = labels.specs.get(metric)
        if spec is not None and metric not in depth.METRICS and "layer" in spec.axes:
            named.setdefault(spec.group, []).append(metric)
    groups: dict[str, list[Lines]] = {}
    for group, metrics in named.items():
        layers = frames.layers(metrics)
        for metric in metrics:
            panel, _ = depth.panel_of(frames, labels, layers, metric, None, primary=True)
            if panel is not None:
                # The panel's heading names the metric; beside narrow panels the axis has no room.
                panel = replace(panel, y_title=labels.unit(metric))
                groups.setdefault(group, []).append(panel)
    return tuple(
        Figure(
            key="depth-" + re.sub("[^a-z0-9]+", "-", group.lower()),
            number=first + number,
            title=f"{plain(group)[:1].upper()}{plain(group)[1:]}, layer by layer",
            caption=(
                "Line: median over prompts of the layer's value, heads averaged. Band: from the "
                "first to the third quartile over prompts. Depth 0 is the embedding output, 1 the "
                "last block."
            ),
            panels=tuple(panels),
            columns=_COLUMNS,
            notes=stacks_note(frames.many_stacked),
        )
        for number, (group, panels) in enumerate(groups.items())
    )
