"""Bands of layers: the early, middle and late third of a model's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.report._frames import RunFrames

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BANDS", "NOTE", "by_band", "layers_of"]

BANDS = ("early", "middle", "late")

NOTE = (
    "A band is a third of the blocks of a model's first stack, by depth: early up to a third, "
    "middle up to two thirds, late beyond; the output of the embedding is in none. Bands are a "
    "way to count layers, and no anatomy: no part of a model is a part of a brain."
)


def by_band(frames: RunFrames) -> pd.DataFrame:
    """Return a prompt's value in each band: the mean over the layers of it.

    Returns:
        Columns model, metric, band, task, prompt_id, cluster (the prompt that it is a paraphrase
        of, or itself), n_tokens, value; of the metrics that are looked at closely and have layers.
    """
    import numpy as np

    specs = frames.measured.specs
    metrics = [own for own in frames.analysis.focus if "layer" in specs[own].axes]
    found = frames.primary(frames.layers(metrics)) if metrics else frames.layers(())
    found = found[found["layer"] > 0]
    depth = found["depth"].to_numpy()
    band = np.array(BANDS)[(depth > 1 / 3).astype(int) + (depth > 2 / 3)]
    keys = ["model", "metric", "band", "task", "prompt_id", "n_tokens"]
    found = found.assign(band=band).groupby(keys, sort=False)["value"].mean().reset_index()
    origin = frames.prompts.set_index("prompt_id")["origin"]
    own = found["prompt_id"]
    return found.assign(cluster=own.map(origin).where(lambda one: one.notna(), own))


def layers_of(frames: RunFrames) -> dict[tuple[str, str], str]:
    """Return which blocks are in each band, such as `1-10`, by model and band."""
    made = {}
    for row in frames.models.to_dict("records"):
        last = int(row["layers"])
        ends = [0, last // 3, 2 * last // 3, last]
        for band, first, end in zip(BANDS, ends, ends[1:], strict=False):
            made[str(row["model"]), band] = f"{first + 1}-{end}" if end > first else "none"
    return made
