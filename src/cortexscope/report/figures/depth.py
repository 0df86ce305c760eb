"""How metrics run along the depth of the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Figure, Line, Lines
from cortexscope.records import in_order
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, lowered, plain
from cortexscope.report._stacks import stack_title
from cortexscope.report.figures._axes import WIDE, is_wide
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import counted, number, sentence, subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CAPTION", "METRICS", "Depth", "build", "course", "panel_of"]

_NAMED = 3
"""Models of which a finding speaks."""
METRICS = (
    "residual_norm",
    "near_zero_fraction",
    "attention_entropy_normalized",
    "attention_sink_mass",
)

CAPTION = (
    "Line: median over prompts of the layer's value, heads averaged. Band: from the first to the "
    "third quartile over prompts. Depth 0 is the embedding output, 1 the last block; attention "
    "begins with the first block. An axis is logarithmic where values span more than a factor of "
    f"{WIDE:.0f}. "
)
"""How a panel of `panel_of` is read."""
_APART = "Encoders, decoders and cross-attention have panels of their own. "


@dataclass(frozen=True, slots=True)
class Depth:
    """A panel a metric: the median over prompts along depth, with the quartiles.

    Where a model has several stacks, all panels of the encoders come first, then those of the
    decoders, then those of cross-attention.
    """

    metrics: tuple[str, ...] = METRICS
    tasks: tuple[str, ...] = ()
    """Over the prompts of these, of all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        panels: list[Lines] = []
        notes: list[str] = []
        stacks: tuple[str | None, ...] = (None,)
        unread: list[str] = []
        if frames.many_stacked:
            unread = [model for model in frames.labels if not frames.stacks_of(model)]
            stacks = in_order({name for names in frames.stack_names.values() for name in names})
        made: dict[tuple[str | None, str], tuple[Lines | None, list[str]]] = {}
        for metric in self.metrics:
            # Of a metric there are millions of rows, which are not held beside those of others,
            # and their texts take the time.
            columns = ["model", "metric", "stack", "layer", "depth", "value"]
            layers = frames.layers([metric], [*columns, "task"] if self.tasks else columns)
            layers = layers[layers["task"].isin(self.tasks)] if self.tasks else layers
            for stack in stacks:
                made[stack, metric] = panel_of(frames, labels, layers, metric, stack)
        for stack in stacks:
            for metric in self.metrics:
                panel, empty = made[stack, metric]
                panels.extend([panel] if panel else [])
                notes.extend(absence(frames, labels, metric, empty, stack=stack))
                notes.extend(absence(frames, labels, metric, unread))
        return Figure(
            key="depth",
            title="Along the depth of the models"
            if self.metrics == METRICS
            else f"{subject(labels, self.metrics, METRICS, '')} along the depth of the models",
            caption=CAPTION + (_APART if frames.many_stacked else "") + counted(frames, self.tasks),
            finding=sentence([course(panels[0])] if panels else []),
            panels=tuple(panels),
            notes=tuple(dict.fromkeys(notes)),
        )


build = Depth()


def panel_of(
    frames: RunFrames,
    labels: Labels,
    layers: pd.DataFrame,
    metric: str,
    stack: str | None,
    *,
    primary: bool = False,
) -> tuple[Lines | None, list[str]]:
    """Return the panel of a metric, and the models that are not in it.

    Args:
        frames: of the run.
        labels: of its metrics.
        layers: of `RunFrames.layers`, with the metric.
        metric: which one.
        stack: which one is drawn, all where None.
        primary: draw only the primary stack of each model.
    """
    right = (layers["metric"] == metric) & layers["value"].notna()
    right = right if stack is None else right & (layers["stack"] == stack)
    known = layers if right.all() else layers[right]
    known = frames.primary(known) if primary else known
    found = dict(iter(known.groupby("model", sort=False, observed=True)))
    own = {model: found.get(model, known.iloc[:0]) for model in frames.labels}
    lines = tuple(
        _line(rows, plain(model), frames.slot(model), alone=len(frames.labels) == 1)
        for model, rows in own.items()
        if len(rows)
    )
    title = labels.title(metric)
    # The layers of several models can be compared by their share of the depth alone.
    alone = len(frames.labels) == 1
    panel = Lines(
        title=title if stack is None else f"{stack_title(stack)}: {lowered(title)}",
        x_title="Layer (0: embedding output)" if alone else "Depth (layer / last layer)",
        x_word="layer" if alone else "depth",
        x_range=None if alone else (-0.02, 1.02),
        y_title=labels.axis(metric),
        lines=lines,
        log=is_wide(np.concatenate([line.y for line in lines])) if lines else False,
    )
    empty = [model for model, rows in own.items() if not len(rows)]
    if stack is not None:
        # Cross-attention has no hidden states, and a model not every stack.
        rows = frames.missing([metric])
        undefined = set(rows[rows["stack"] == stack]["model"])
        empty = [model for model in empty if model in undefined]
    return panel if lines else None, empty


def course(panel: Lines) -> str:
    """Return from where to where the medians of a panel go, model by model."""
    said = [
        f"{line.label} from {number(line.y[0])} ({line.places[0]}) to {number(line.y[-1])} "
        f"({line.places[-1]}), highest {number(line.y.max())} ({line.places[int(line.y.argmax())]})"
        for line in panel.lines[:_NAMED]
    ]
    more = len(panel.lines) - _NAMED
    return f"{panel.title}, median over prompts: " + "; ".join(
        [*said, *([f"and {more} models more"] if more > 0 else [])]
    )


def _line(rows: pd.DataFrame, label: str, slot: int, *, alone: bool) -> Line:
    # A block may have several rows of one depth; each prompt counts once.
    quartiles = rows.groupby("depth")["value"].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    layers = rows.groupby("depth")["layer"].first()
    return Line(
        label=label,
        slot=slot,
        x=(layers if alone else quartiles.index).to_numpy(dtype="float64"),
        places=tuple(f"layer {layer}" for layer in layers),
        y=quartiles[0.5].to_numpy(dtype="float64"),
        low=quartiles[0.25].to_numpy(dtype="float64"),
        high=quartiles[0.75].to_numpy(dtype="float64"),
    )
