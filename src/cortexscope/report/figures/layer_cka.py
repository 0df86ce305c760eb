"""Centred kernel alignment of layers, within a model and between two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cortexscope.document import Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures.layer_similarity import layer_maps

__all__ = ["LayerAlignment", "build"]

_CAPTION = (
    "A cell is the linear centred kernel alignment of two layers' mean states of the prompts "
    "(Kornblith et al. 2019), by the estimate of HSIC without bias (Song et al. 2012){form}: 1 "
    "where they differ by a rotation, a shift and a scale, 0 on average where they have nothing in "
    "common; few features of large variance decide it. Layer 0 is the embedding output. Colours "
    "begin at 0. n = {n} prompts; no interval is drawn, since resampled prompts that are there "
    "twice are alike in every layer. `layer_similarity` lets each feature count alike."
)
_ADJUSTED = ", what length does to each feature taken out"


@dataclass(frozen=True, slots=True)
class LayerAlignment:
    """A map of layers by layers for each model, and for each two."""

    form: Literal["cka", "cka_adjusted"] = "cka"
    """As measured, or with what length does taken out."""
    most: int = 6
    """Panels drawn; a model by itself comes before two."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one that kept no states has no figure and no note."""
        maps = layer_maps(frames, self.form, "Linear CKA", "CKA", self.most)
        return Figure(
            key="layer_cka",
            title="Centred kernel alignment of layers",
            caption=_CAPTION.format(form=_ADJUSTED if self.form != "cka" else "", n=maps.n),
            panels=maps.panels,
            columns=1,
            notes=maps.notes,
            finding=maps.finding,
        )


build = LayerAlignment()
