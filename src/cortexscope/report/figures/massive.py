"""Where in the models activations are massive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Figure, Raster
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import counted, number, sentence, subject

__all__ = ["Massive", "build"]

_METRICS = ("massive_activations", "largest_activation")
_CAPTION = (
    "A cell is the mean over prompts in one layer, from layer 0, the embedding output, on; models "
    "have as many layers as are drawn. Each panel has its own scale, from 0. A massive activation "
    "is beyond 100 and beyond 1000 times the median of its layer (Sun et al. 2024). No interval is "
    "drawn; `figures --only depth --metric NAME` has the quartiles over prompts. "
)


@dataclass(frozen=True, slots=True)
class Massive:
    """A map of models by layers for each metric."""

    metrics: tuple[str, ...] = _METRICS
    tasks: tuple[str, ...] = ()
    """Over the prompts of these, of all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without these metrics gets no figure and no note."""
        layers = frames.primary(frames.layers(self.metrics))
        layers = layers[layers["task"].isin(self.tasks)] if self.tasks else layers
        layers = layers[layers["value"].notna()]
        panels: list[Raster] = []
        notes: list[str] = []
        found: list[str] = []
        for metric in self.metrics:
            own = layers[layers["metric"] == metric]
            if own.empty:
                continue
            grid = own.groupby(["model", "layer"], observed=True)["value"].mean().unstack("layer")
            models = [model for model in frames.labels if model in grid.index]
            grid = grid.reindex(index=models, columns=range(int(own["layer"].max()) + 1))
            values = grid.to_numpy(dtype=np.float64)
            panels.append(
                Raster(
                    title=labels.title(metric),
                    x_title="Layer",
                    y_title="Model",
                    value_title=labels.unit(metric) or labels.title(metric),
                    first_row=0,
                    values=np.abs(values),
                    row_names=tuple(map(plain, models)),
                )
            )
            row, layer = np.unravel_index(np.nanargmax(np.abs(values)), values.shape)
            unit = f" {labels.unit(metric)}" if labels.unit(metric) else ""
            found.append(
                f"{labels.title(metric)}: most in layer {layer} of {plain(models[row])}, "
                f"{number(values[row, layer])}{unit} on average"
            )
            empty = [model for model in frames.labels if model not in models]
            notes += absence(frames, labels, metric, empty)
        return Figure(
            key="massive",
            title=f"{subject(labels, self.metrics, _METRICS, 'Massive activations')} "
            "by model and layer",
            caption=_CAPTION + counted(frames, self.tasks),
            panels=tuple(panels),
            columns=1,
            notes=(*stacks_note(frames.many_stacked), *notes) if panels else (),
            finding=sentence(found),
        )


build = Massive()
