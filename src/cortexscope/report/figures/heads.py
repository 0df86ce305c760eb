"""Every head of every layer: where in a model a kind of attention is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.document import Figure, Raster
from cortexscope.report._correlations import NORMALIZED_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures._grid import LayerGrid
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import counted, sentence, subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HeadMap", "build"]


_METRICS = (NORMALIZED_ENTROPY, "attention_sink_mass")


@dataclass(frozen=True, slots=True)
class HeadMap:
    """A map of layers by heads for each metric and model."""

    metrics: tuple[str, ...] = _METRICS
    tasks: tuple[str, ...] = ()
    """Over the prompts of these, of all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without heads gets no figure and no note."""
        panels: list[Raster] = []
        notes: list[str] = []
        highest: list[str] = []
        every = frames.heads(self.tasks)
        for metric in self.metrics:
            found = every[every["metric"] == metric]
            for model in frames.labels:
                own = found[found["model"] == model]
                if len(own):
                    grid = LayerGrid.of(own, "head")
                    stack = str(own["stack"].iloc[0])
                    panels.append(
                        Raster(
                            title=f"{labels.title(metric)}: {frames.named(model, stack)}",
                            x_title="Head",
                            y_title="Layer",
                            value_title=labels.axis(metric),
                            first_row=grid.first,
                            values=grid.values,
                        )
                    )
            if len(found):
                highest.append(_highest(frames, labels, metric, found))
            empty = [model for model in frames.labels if model not in set(found["model"])]
            if metric in frames.metrics and empty:
                notes.extend(absence(frames, labels, metric, empty))
        return Figure(
            key="heads",
            title=f"{subject(labels, self.metrics, _METRICS, 'Attention')} by layer and head",
            caption=(
                "A cell is one head's mean over prompts, each counting once. Heads "
                "stand in the order of the model's own numbers, which mean nothing across layers "
                "or models; where several share keys and values, neighbours do. Each panel has its "
                "own scale, from 0. " + counted(frames, self.tasks)
            ),
            finding=sentence(highest),
            panels=tuple(panels),
            columns=1,
            notes=tuple(notes) if panels else (),
        )


build = HeadMap()


def _highest(frames: RunFrames, labels: Labels, metric: str, found: pd.DataFrame) -> str:
    own = found.iloc[int(found["value"].argmax())]
    mean = found[found["model"] == own["model"]]["value"].mean()
    return (
        f"{labels.title(metric)} is highest in head {own['head']} of layer {own['layer']} of "
        f"{frames.named(own['model'], own['stack'])}, {own['value']:.3g}, where the mean of all "
        f"heads is {mean:.3g}"
    )
