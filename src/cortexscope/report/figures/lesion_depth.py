"""What the parts of a model are needed for, along its depth."""

from __future__ import annotations

import numpy as np

from cortexscope.document import Figure, Line, Lines, Panel
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain

__all__ = ["build"]

_CAPTION = (
    "Kullback-Leibler divergence of the predictions without one part from the intact model's, "
    "mean over prompts with its 95 % interval, on a scale of powers. Each part is taken out alone; "
    "a part whose absence changes nothing is not drawn."
)
_WHOLE = ("layers", "attention", "mlp")


def build(frames: RunFrames, labels: Labels) -> Figure:
    """Return a panel a model and stack; none where no whole layers or branches were taken out."""
    panels: list[Panel] = []
    if frames.measured.lesioned:
        table = frames.analysis.table("lesion_effects")
        known = table[table["kind"].isin(_WHOLE) & table["task"].isna() & (table["kl"] > 0)]
        several = known["model"].nunique() > 1
        for (model, stack), own in known.groupby(["model", "stack"], sort=False):
            lines = []
            for kind in _WHOLE:
                rows = own[own["kind"] == kind]
                x, y, low, high = (
                    rows[name].to_numpy(dtype=np.float64)
                    for name in ("layer", "kl", "kl_low", "kl_high")
                )
                if len(rows):
                    # On a scale of powers there is no 0.
                    low = np.where(low > 0, low, y)
                    lines.append(Line(kind, _WHOLE.index(kind), x, y, low, high))
            of = f"{plain(str(model))}, " if several else ""
            panels.append(
                Lines(
                    f"{of}{stack}",
                    "Layer",
                    "KL divergence (nats a token)",
                    tuple(lines),
                    log=True,
                    x_word="layer",
                )
            )
    title = "What is lost without each layer, its attention and its MLP"
    return Figure("lesion_depth", title, _CAPTION if panels else "", tuple(panels))
