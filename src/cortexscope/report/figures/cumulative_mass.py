"""How much of a layer's activation its largest features, and an MLP's largest neurons, hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Figure, Line, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import counted, sentence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CumulativeMasses", "build"]

_METRICS = ("cumulative_mass", "neuron_cumulative_mass")
_OF = {"cumulative_mass": "features", "neuron_cumulative_mass": "neurons"}
_CAPTION = (
    "How much of the sum of all sizes (l1) the largest features of the hidden state, or the "
    "largest neurons of the MLP, hold: a point is a share of them, 1 to 50 %, in a mean token of a "
    "prompt. Line: the mean over prompts in the layer next to a quarter of the depth. Band: from "
    "the first to the third quartile over prompts. "
)
_DEPTHS = ("First layer", "1/4 of the depth", "1/2 of the depth", "3/4 of the depth", "Last layer")
_EVEN = len(_DEPTHS)
"""The look of the line of equal sizes."""


@dataclass(frozen=True, slots=True)
class CumulativeMasses:
    """A panel a metric and model, a line a layer."""

    tasks: tuple[str, ...] = ()
    """Over the prompts of these, of all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without these metrics gets no figure and no note."""
        found = frames.primary(frames.measured.by_prompt_and_index(_METRICS, tasks=self.tasks))
        found = found[found["value"].notna()]
        panels, said = [], []
        notes: list[str] = []
        for metric in _METRICS:
            own = found[found["metric"] == metric]
            for model in frames.labels:
                rows = own[own["model"] == model]
                if len(rows):
                    name = frames.named(model, str(rows["stack"].iloc[0]))
                    panels.append(_panel(rows, metric, name))
                    said.append(_said(rows, metric, name))
            empty = [model for model in frames.labels if model not in set(own["model"])]
            notes += absence(frames, labels, metric, empty) if metric in frames.metrics else ()
        return Figure(
            key="cumulative_mass",
            title="How much the largest features and neurons hold",
            caption=_CAPTION + counted(frames, self.tasks),
            panels=tuple(panels),
            notes=(*stacks_note(frames.many_stacked), *notes) if panels else (),
            finding=sentence(said),
        )


build = CumulativeMasses()


def _panel(rows: pd.DataFrame, metric: str, name: str) -> Lines:
    layers = np.unique(rows["layer"])
    places = np.linspace(0, len(layers) - 1, len(_DEPTHS)).round().astype(int)
    lines = []
    for slot, (label, layer) in enumerate(zip(_DEPTHS, layers[places], strict=True)):
        if layer in layers[places[:slot]]:
            continue
        grouped = rows[rows["layer"] == layer].groupby("index")["value"]
        means, quartiles = grouped.mean(), grouped.quantile(np.array([0.25, 0.75])).unstack()
        lines.append(
            Line(
                label=label,
                slot=slot,
                x=means.index.to_numpy(dtype=np.float64),
                y=100 * means.to_numpy(dtype=np.float64),
                low=100 * quartiles[0.25].to_numpy(dtype=np.float64),
                high=100 * quartiles[0.75].to_numpy(dtype=np.float64),
                places=(f"layer {layer}",) * len(means),
            )
        )
    shares = np.unique(rows["index"]).astype(np.float64)
    lines.append(Line("All of the same size", _EVEN, shares, shares))
    return Lines(
        title=f"{_OF[metric].capitalize()}: {name}",
        x_title=f"Largest {_OF[metric]} (%)",
        x_word=f"largest {_OF[metric]} (%)",
        y_title="Share of the mass (%)",
        lines=tuple(lines),
        x_log=True,
    )


def _said(rows: pd.DataFrame, metric: str, name: str) -> str:
    own = rows[rows["index"] == 10].groupby("layer")["value"].mean()
    return (
        f"the largest 10 % of {_OF[metric]} of {name} hold {100 * own.min():.0f} % (layer "
        f"{own.idxmin()}) to {100 * own.max():.0f} % (layer {own.idxmax()}) of the mass"
    )
