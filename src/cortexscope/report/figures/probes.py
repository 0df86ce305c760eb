"""How well each layer tells the tasks apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.document import Figure, Line, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report.figures._words import counted, sentence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Probes", "build"]

_Known = Mapping[Any, Mapping[Any, Any]]
"""The rows of a model's baselines, by name."""

_BASELINES = {"words": "Words alone", "length": "Length alone"}
_CAPTION = (
    "Line: the share of prompts whose task a linear probe of the layer's mean state names, none of "
    "them having been shown to it, with the 95 % interval. Chance, and what the number of tokens "
    "or the prompts' words alone tell, are drawn across: a layer that does not lie above the words "
    "has read nothing more than they say. The most accurate layer is chosen by other prompts. "
)


@dataclass(frozen=True, slots=True)
class Probes:
    """A panel a model: the accuracy of its layers' probes, and what needs no model."""

    baselines: bool = True
    """Whether chance, length and words alone are drawn."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one that kept no states has no figure and no note."""
        analysis = frames.analysis
        fresh = not analysis.kept("probes")
        layers = analysis.table("probes")
        others: dict[str, pd.DataFrame] = {}
        # Of the same probes; where only these were kept, they are not made anew for a line.
        if len(layers) and (fresh or analysis.kept("probe_baselines")):
            table = analysis.table("probe_baselines")
            others = {str(model): own for model, own in table.groupby("model", sort=False)}
        panels, found = [], []
        for model in frames.labels if len(layers) else ():
            own = layers[(layers["model"] == model) & layers["accuracy"].notna()]
            if own.empty:
                continue
            known: _Known = {}
            if model in others:
                known = {row["baseline"]: row for row in others[model].to_dict("records")}
            x = own["layer"].to_numpy(dtype=np.float64)
            y, low, high = (
                own[name].to_numpy(dtype=np.float64) for name in ("accuracy", "low", "high")
            )
            lines = [
                Line("Layer", 0, x, y, low, high, tuple(f"layer {layer}" for layer in own["layer"]))
            ]
            if self.baselines:
                lines += _across(x[[0, -1]], float(own["chance"].iloc[0]), known)
            panels.append(
                Lines(
                    title=plain(model),
                    x_title="Layer (0: embedding output)",
                    x_word="layer",
                    y_title="Prompts named right (share)",
                    lines=tuple(lines),
                )
            )
            found.append(_said(model, own, known))
        return Figure(
            key="probes",
            title="How well each layer tells the tasks apart",
            caption=_CAPTION + counted(frames),
            panels=tuple(panels),
            finding=sentence(found),
        )


build = Probes()


def _across(x: np.ndarray[Any, np.dtype[np.float64]], chance: float, known: _Known) -> list[Line]:
    levels = {"Chance": chance}
    levels |= {
        title: float(known[name]["accuracy"])
        for name, title in _BASELINES.items()
        if name in known and np.isfinite(known[name]["accuracy"])
    }
    # Three points, since the ends of a line of two are marked.
    places = np.array([x[0], x.mean(), x[-1]])
    return [
        Line(title, slot, places, np.full(3, level))
        for slot, (title, level) in enumerate(levels.items(), 1)
    ]


def _said(model: str, own: pd.DataFrame, known: _Known) -> str:
    best = known.get("best layer")
    if best is not None and np.isfinite(best["accuracy"]):
        text = (
            f"{plain(model)}: layer {best['layer']} names {best['accuracy']:.2f} "
            f"[{best['low']:.2f}, {best['high']:.2f}] of fresh prompts right"
        )
    else:
        top = own.iloc[int(own["accuracy"].argmax())]
        text = (
            f"{plain(model)}: layer {top['layer']} is highest, {top['accuracy']:.2f} "
            f"[{top['low']:.2f}, {top['high']:.2f}], being the best of {len(own)}"
        )
    text += f" where chance is {own['chance'].iloc[0]:.2f}"
    words = known.get("words")
    if words is not None and np.isfinite(words["accuracy"]):
        text += f" and words alone name {words['accuracy']:.2f}"
    return text
