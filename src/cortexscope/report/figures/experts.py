"""How mixtures of experts spread the prompts' tokens: layer by expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.document import Figure, Raster
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures._grid import LayerGrid
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Experts", "build"]

_LOAD = "expert_load"
_CAPTION = (
    "Mean over prompts of the share of a prompt's choices of experts that fell on each; the shares "
    "of a layer sum to 1. A row of one colour is an even load; a cell at 0, an expert that no "
    "prompt reached. Experts stand in the order of the model's own numbers, which mean nothing "
    "across layers. Layers without experts are blank. "
)


@dataclass(frozen=True, slots=True)
class Experts:
    """A map of layers by experts for each stack that has some."""

    tasks: tuple[str, ...] = ()
    """Over the prompts of these, of all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without experts gets no figure and no note."""
        load = frames.measured.by_index([_LOAD], tasks=self.tasks)
        panels = []
        for model in frames.labels:
            for stack in frames.stacks_of(model):
                own = load[(load["model"] == model) & (load["stack"] == stack)]
                if own["value"].notna().any():
                    grid = LayerGrid.of(own, "index")
                    even = 1 / grid.values.shape[1]
                    panels.append(
                        Raster(
                            title=f"{frames.named(model, stack)}: an even load is {even:.3g}",
                            x_title="Expert",
                            y_title="Layer",
                            value_title=labels.axis(_LOAD),
                            first_row=grid.first,
                            values=grid.values,
                        )
                    )
        known = load[load["value"].notna()]
        drawn = set(load[load["value"].notna()]["model"])
        empty = [model for model in frames.labels if model not in drawn]
        return Figure(
            key="experts",
            title="Load of the experts",
            caption=_CAPTION + counted(frames, self.tasks),
            finding=_finding(frames, known),
            panels=tuple(panels),
            columns=1,
            notes=absence(frames, labels, _LOAD, empty) if panels else (),
        )


build = Experts()


def _finding(frames: RunFrames, load: pd.DataFrame) -> str:
    if load.empty:
        return ""
    most = load.iloc[int(load["value"].argmax())]
    own = load[(load["model"] == most["model"]) & (load["stack"] == most["stack"])]
    even = 1 / (own["index"].max() + 1)
    return (
        f"The most loaded expert is {most['index']} of layer {most['layer']} of "
        f"{frames.named(most['model'], most['stack'])}: {most['value']:.3g} of the choices, "
        f"{most['value'] / even:.3g} times an even load."
    )
