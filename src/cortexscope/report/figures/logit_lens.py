"""What layers would predict of one prompt, by the logit lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Figure, Line, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report.figures._axes import is_wide
from cortexscope.report.figures._words import number, sentence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LogitLens", "build"]

_METRICS = ("lens_kl", "lens_rank", "lens_agreement", "lens_entropy")
_CAPTION = (
    "Line: the prompt {prompt} in each layer, the mean over its tokens. Band: from the first to "
    "the third quartile over all {n} prompts. A layer's state is read through the last norm and "
    "the head, as if no layer came after it; the last layer is the model's own prediction."
)


@dataclass(frozen=True, slots=True)
class LogitLens:
    """A panel a metric of the lens: one prompt along the layers, before all others."""

    metrics: tuple[str, ...] = _METRICS
    prompt: str = ""
    """Its id; the first one read where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without the lens gets no figure and no note."""
        layers = frames.layers([name for name in self.metrics if name in frames.metrics])
        layers = layers[layers["value"].notna()]
        prompt = self.prompt or (str(layers["prompt_id"].iloc[0]) if len(layers) else "")
        alone = len(frames.labels) == 1
        panels, found = [], []
        for metric in self.metrics:
            lines = []
            for model in frames.labels:
                rows = layers[(layers["metric"] == metric) & (layers["model"] == model)]
                if (rows["prompt_id"] == prompt).any():
                    lines.append(_line(rows, prompt, plain(model), frames.slot(model), alone=alone))
            if lines:
                y = np.concatenate([line.y for line in lines])
                panels.append(
                    Lines(
                        title=labels.title(metric),
                        x_title="Layer" if alone else "Depth (layer / last layer)",
                        x_word="layer" if alone else "depth",
                        y_title=labels.axis(metric),
                        lines=tuple(lines),
                        log=is_wide(y),
                    )
                )
                for line in lines:
                    found.append(
                        f"{labels.title(metric)} of {prompt} in {line.label} goes from "
                        f"{number(line.y[0])} ({line.places[0]}) to {number(line.y[-1])} "
                        f"({line.places[-1]})"
                    )
        return Figure(
            key="logit_lens",
            title=f"What layers would predict: {plain(prompt)}",
            caption=_CAPTION.format(prompt=plain(prompt), n=layers["prompt_id"].nunique()),
            panels=tuple(panels),
            finding=sentence(found[: len(panels[0].lines)] if panels else []),
        )


build = LogitLens()


def _line(rows: pd.DataFrame, prompt: str, label: str, slot: int, *, alone: bool) -> Line:
    quartiles = rows.groupby("layer")["value"].quantile(np.array([0.25, 0.75])).unstack()
    own = rows[rows["prompt_id"] == prompt].set_index("layer").sort_index()
    quartiles = quartiles.reindex(own.index)
    return Line(
        label=label,
        slot=slot,
        x=(own.index if alone else own["depth"]).to_numpy(dtype=np.float64),
        y=own["value"].to_numpy(dtype=np.float64),
        low=quartiles[0.25].to_numpy(dtype=np.float64),
        high=quartiles[0.75].to_numpy(dtype=np.float64),
        places=tuple(f"layer {layer}" for layer in own.index),
    )
