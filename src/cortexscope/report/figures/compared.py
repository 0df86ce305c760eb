"""How far models lie from the one that they are compared with: by task, and along depth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cortexscope.document import Figure, Line, Lines, Panel, Range, Ranges
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report.figures._axes import is_wide

__all__ = ["build"]

_CAPTION = (
    "Left: Kullback-Leibler divergence of the model's next-token distribution from the base's, "
    "mean over prompts with its 95 % interval. Right: length of the difference of the two models' "
    "states as a share of the base's, mean over tokens and prompts, with its 95 % interval; layer "
    "0 is the embedding output. A layer that is not drawn has the base's states. Where models lie "
    "far apart, the scale is one of powers."
)


def build(frames: RunFrames, labels: Labels) -> Figure:
    """Return the figure of a run; without panels where no models were compared."""
    from cortexscope.analysis import Analysis

    title = "How far models lie from the one compared with"
    if frames.measured.pairs().predictions.empty:
        return Figure("compared", title, "", ())
    analysis = Analysis(frames.measured)
    slots = {
        model: number
        for number, model in enumerate(
            dict.fromkeys(analysis.table("compared_predictions")["model"])
        )
    }
    found = [
        *_by_task(analysis.table("compared_predictions"), slots),
        *_by_layer(analysis.table("compared_states"), slots),
    ]
    notes = () if found else ("No predictions and no states of these models are comparable.",)
    return Figure("compared", title, _CAPTION, tuple(found), notes=notes)


def _by_task(table: pd.DataFrame, slots: dict[str, int]) -> list[Panel]:
    known = table[table["kl"].notna()]
    if known.empty:
        return []
    tasks = [*dict.fromkeys(known["task"].dropna())]
    ranges = []
    for model, own in known.groupby("model", sort=False):
        whole = own[own["task"].isna()]
        rows = pd.concat([whole, own[own["task"].notna()].set_index("task").reindex(tasks)])
        x, low, high = (
            rows[name].to_numpy(dtype=np.float64) for name in ("kl", "kl_low", "kl_high")
        )
        ranges.append(Range(plain(str(model)), slots[str(model)], x, low, high))
    names = ("All prompts", *map(task_title, tasks))
    wide = is_wide(known["kl"].to_numpy(dtype=np.float64))
    return [
        Ranges(
            "Predictions",
            "KL divergence (nats a token)",
            names,
            tuple(ranges),
            line=None if wide else 0.0,
            log=wide,
        )
    ]


def _by_layer(table: pd.DataFrame, slots: dict[str, int]) -> list[Panel]:
    known = table[table["distance"] > 0] if len(table) else table
    panels: list[Panel] = []
    if not len(known):
        return panels
    for stack, rows in known.groupby("stack", sort=False):
        lines = []
        for model, own in rows.groupby("model", sort=False):
            x, y, low, high = (
                own[name].to_numpy(dtype=np.float64)
                for name in ("layer", "distance", "distance_low", "distance_high")
            )
            lines.append(Line(plain(str(model)), slots[str(model)], x, y, low, high))
        of = f" of the {stack}" if known["stack"].nunique() > 1 else ""
        panels.append(
            Lines(
                f"States{of}",
                "Layer",
                "Share of the state's length",
                tuple(lines),
                log=is_wide(rows["distance"].to_numpy(dtype=np.float64)),
                x_word="layer",
                x_range=(-0.5, float(table["layer"].max()) + 0.5),
            )
        )
    return panels
