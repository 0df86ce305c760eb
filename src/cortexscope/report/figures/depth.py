"""How metrics run along the depth of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cortexscope.report._figure import Figure, Line, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report.figures._missing import absence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_LOGARITHMIC = frozenset({"residual_norm"})
_METRICS = (
    "residual_norm",
    "near_zero_fraction",
    "attention_entropy_normalized",
    "attention_sink_mass",
)


def build(frames: RunFrames, labels: Labels) -> Figure:
    """Return a panel a metric: the median over prompts along depth, with the quartiles."""
    stacks = frames.layers.groupby("model")["stack"].nunique()
    panels: list[Lines] = []
    notes: list[str] = []
    for metric in _METRICS:
        part = frames.layers[(frames.layers["metric"] == metric) & frames.layers["value"].notna()]
        lines = []
        for model in frames.labels:
            for stack, rows in part[part["model"] == model].groupby("stack", sort=False):
                label = f"{plain(model)} ({stack})" if stacks[model] > 1 else plain(model)
                line = _line(rows, label, frames.slot(model))
                lines.append(line)
        if lines:
            panels.append(
                Lines(
                    title=labels.title(metric),
                    x_title="Depth (layer / last layer)",
                    y_title=labels.axis(metric),
                    lines=tuple(lines),
                    log=metric in _LOGARITHMIC and all((line.y > 0).all() for line in lines),
                )
            )
        empty = [model for model in frames.labels if model not in set(part["model"])]
        if empty:
            notes.extend(absence(frames, labels, metric, empty))
    return Figure(
        key="depth",
        number=3,
        title="Along the depth of the models",
        caption=(
            "Line: median over prompts of the layer's value, heads averaged. Band: from the first "
            "to the third quartile over prompts. Depth 0 is the embedding output, 1 the last "
            "block; attention begins with the first block."
        ),
        panels=tuple(panels),
        notes=tuple(notes),
    )


def _line(rows: pd.DataFrame, label: str, slot: int) -> Line:
    # A block may have several rows of one depth; each prompt counts once.
    quartiles = rows.groupby("depth")["value"].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    return Line(
        label=label,
        slot=slot,
        x=quartiles.index.to_numpy(dtype="float64"),
        y=quartiles[0.5].to_numpy(dtype="float64"),
        low=quartiles[0.25].to_numpy(dtype="float64"),
        high=quartiles[0.75].to_numpy(dtype="float64"),
    )
