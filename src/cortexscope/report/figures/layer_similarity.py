"""How alike layers see the prompts, within a model and between two."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cortexscope.document import Figure, Raster
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report.figures._words import sentence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerMaps", "LayerSimilarity", "build", "layer_maps"]

_CAPTION = (
    "A cell is Spearman's rho between two layers' distances of all pairs of prompts (1 less the "
    "correlation of the standardised mean states): 1 where both hold the same prompts to be "
    "alike{form}. Layer 0 is the embedding output. Colours begin at 0. n = {n} prompts; no "
    "interval is drawn, and `stats/similarity.csv` has a p-value a cell. This is representational "
    "similarity, in which each feature counts alike; `layer_cka` draws centred kernel alignment."
)
_ADJUSTED = ", differences in length taken out"


@dataclass(frozen=True, slots=True)
class LayerSimilarity:
    """A map of layers by layers for each model, and for each two."""

    form: Literal["rho", "adjusted"] = "rho"
    """As measured, or with differences in length taken out."""
    most: int = 6
    """Panels drawn; a model by itself comes before two."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one that kept no states has no figure and no note."""
        maps = layer_maps(frames, self.form, "Spearman's rho", "rho", self.most)
        return Figure(
            key="layer_similarity",
            title="How alike layers see the prompts",
            caption=_CAPTION.format(form=_ADJUSTED if self.form == "adjusted" else "", n=maps.n),
            panels=maps.panels,
            columns=1,
            notes=maps.notes,
            finding=maps.finding,
        )


build = LayerSimilarity()


class LayerMaps(NamedTuple):
    """Maps of layers by layers of each model and each two, and what they show."""

    panels: tuple[Raster, ...]
    n: int
    """Prompts."""
    notes: tuple[str, ...]
    finding: str


def layer_maps(frames: RunFrames, column: str, title: str, short: str, most: int) -> LayerMaps:
    """Return maps of a column of the table of similarities; none where no states were kept.

    Args:
        frames: of the run.
        column: of the table.
        title: what its values are called.
        short: the same in a sentence.
        most: how many maps.
    """
    found = frames.analysis.table("similarity")
    pairs = [(model, model) for model in frames.labels]
    pairs += combinations(frames.labels, 2)
    known = []
    for one, two in pairs if len(found) else ():
        own = found[(found["model"] == one) & (found["other_model"] == two)]
        if own[column].notna().any():
            known.append((one, two, own))
    left = max(0, len(known) - most)
    return LayerMaps(
        panels=tuple(_map(*own, column, title) for own in known[:most]),
        n=int(found["n"].max()) if len(found) else 0,
        notes=(f"{left} pairs of models more are in stats/similarity.csv.",) if left else (),
        finding=sentence([_said(*own, column, short) for own in known[:most]]),
    )


def _map(one: str, two: str, own: pd.DataFrame, column: str, title: str) -> Raster:
    alone = one == two
    grid = own.pivot(index="layer", columns="other", values=column)
    size = [int(max(own[name].max() for name in names)) + 1 for names in _sides(alone)]
    grid = grid.reindex(index=range(size[0]), columns=range(size[-1]))
    values = grid.to_numpy(dtype=np.float64)
    if alone:
        values = np.where(np.isnan(values), values.T, values)
        np.fill_diagonal(values, 1.0)
    return Raster(
        title=plain(one) if alone else f"{plain(one)} (down) and {plain(two)} (across)",
        x_title="Layer" if alone else f"Layer of {plain(two)}",
        y_title="Layer" if alone else f"Layer of {plain(one)}",
        value_title=title,
        first_row=0,
        values=values,
    )


def _sides(alone: bool) -> tuple[tuple[str, ...], ...]:
    return (("layer", "other"),) if alone else (("layer",), ("other",))


def _said(one: str, two: str, own: pd.DataFrame, column: str, short: str) -> str:
    if one == two:
        near = own[own["other"] - own["layer"] == 1]
        least = near.iloc[int(near[column].argmin())] if near[column].notna().any() else None
        if least is None:
            return f"{plain(one)} has no two neighbouring layers with a value"
        return (
            f"in {plain(one)} neighbouring layers have {short} {near[column].min():.2f} to "
            f"{near[column].max():.2f}, least between layers {least['layer']} and {least['other']}"
        )
    most = own.iloc[int(own[column].argmax())]
    return (
        f"layer {most['layer']} of {plain(one)} is most like layer {most['other']} of "
        f"{plain(two)}, {short} {most[column]:.2f}"
    )
