"""What the regions of the brain view, a metaphor, are needed for: what their absence costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cortexscope.analysis._frames import stacked
from cortexscope.analysis._regions import REGIONS, Found, Region, band_of
from cortexscope.analysis.tables._lesions import Lesioned, LesionStep
from cortexscope.analysis.tables.regions import region_rows

if TYPE_CHECKING:
    from cortexscope.analysis._analysis import Analysis

__all__ = ["RegionNeeds"]


class RegionNeeds(LesionStep):
    """The table of regions with need in the place of activity.

    A prompt's value is by how many bits per byte it is predicted worse without a part, the mean
    over the parts of the region's layers, each taken out alone: the MLPs of regions whose metric is
    of MLPs, attention where it is of attention, else whole layers; where a region is a spread, the
    standard deviation over the layers. `metric` is the kind of part.
    """

    name = "region_needs"
    holds = (
        "what the regions of the brain view, a metaphor, are needed for: each task's mean loss "
        "without them, raw and at equal lengths, with intervals"
    )

    def concerns(self, of: Analysis) -> bool:
        """Return whether parts were taken out of which a region is made."""
        kinds = {region.part for region in REGIONS}
        return super().concerns(of) and any(own.kind in kinds for own in self.lesioned(of))

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, region, form (raw, adjusted) and task."""
        found = [*self._found(of)]
        if all(own.reason for own in found):
            return stacked([])
        return stacked([region_rows(of, own, (None, None), own.region.part) for own in found])

    def _found(self, of: Analysis) -> Iterator[Found]:
        lesioned = {(own.model, own.kind): own for own in self.lesioned(of)}
        for model in dict.fromkeys(model for model, _ in lesioned):
            stack = of.measured.stacks[model][0]
            blocks = max(
                int(own.parts.loc[own.parts["stack"] == stack, "layer"].max())
                for (name, _), own in lesioned.items()
                if name == model and (own.parts["stack"] == stack).any()
            )
            for region in REGIONS:
                own = lesioned.get((model, region.part))
                if own is None:
                    why = f"{region.part}: not taken out; `cortexscope lesion --part` does that"
                    yield Found(model, region, pd.DataFrame(), (), why)
                else:
                    yield _taken_out(model, region, own, stack, blocks)


def _taken_out(model: str, region: Region, own: Lesioned, stack: str, blocks: int) -> Found:
    inside = (own.parts["stack"] == stack) & own.parts["layer"].isin(band_of(region.band, blocks))
    bits = own.bits[:, inside.to_numpy(dtype=bool)]
    layers = tuple(sorted(map(int, own.parts.loc[inside, "layer"])))
    if region.of == "spread" and len(layers) == 1:
        return Found(model, region, pd.DataFrame(), (), "one layer alone has no spread")
    known = np.flatnonzero(np.isfinite(bits).all(axis=1)) if layers else np.array([], dtype=np.intp)
    if not len(known):
        why = own.reason or "no layer of the band has a value"
        return Found(model, region, pd.DataFrame(), (), why)
    taken = bits.mean(axis=1) if region.of == "mean" else bits.std(axis=1)
    values = pd.DataFrame(
        {
            "model": model,
            "task": own.prompts.tasks,
            "prompt_id": own.prompts.ids,
            "cluster": own.prompts.clusters,
            "n_tokens": own.prompts.lengths,
            "value": taken,
        }
    )
    return Found(model, region, values.iloc[known], layers, None)
