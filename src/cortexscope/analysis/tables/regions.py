"""The regions of the brain view, a metaphor: each task's mean of each, raw and at equal lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis._frames import stacked
from cortexscope.analysis._regions import REGIONS, Found, regions_found
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import Bounds, task_means, units_of
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Regions", "region_rows"]

_COLUMNS = ["model", "region", "form", "task", "mean", "low", "high", "z", "n", "metric"]
_COLUMNS += ["first_layer", "last_layer", "method", "reason", "caution"]


class Regions(Step):
    """A region is one metric over a band of layers, of a model's primary stack.

    `z` is how far a task's mean lies from the mean of the tasks' means, in standard deviations
    over prompts, so that regions can be compared.
    """

    name = "regions"
    holds = (
        "the regions of the brain view, a metaphor: each task's mean of each, raw and at equal "
        "lengths, with intervals"
    )
    of_focus = True
    made_of = tuple(dict.fromkeys(region.metric for region in REGIONS))

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, region, form (raw, adjusted) and task."""
        found = of.once("regions", lambda: regions_found(of.measured, of.groups))
        if all(own.reason for own in found):
            return stacked([])
        return stacked([*threaded(lambda own: self._rows(of, own), found)])

    @staticmethod
    def _rows(of: Analysis, found: Found) -> pd.DataFrame:
        metric = found.region.metric
        spec = of.measured.specs.get(metric)
        bounds = (None, None) if spec is None else found.region.bounds(spec)
        return region_rows(of, found, bounds, metric)

    def absent(self, of: Analysis) -> str:
        """Return why there are no regions."""
        names = ", ".join(dict.fromkeys(region.metric for region in REGIONS))
        return f"no region has a value; they are made of {names}"


def region_rows(of: Analysis, found: Found, bounds: Bounds, metric: str) -> pd.DataFrame:
    """Return the rows of a region of a model: each task's mean, raw and at equal lengths.

    Args:
        of: the analysis.
        found: the region's values of prompts.
        bounds: lowest and highest value possible.
        metric: what the values are of.
    """
    import pandas as pd

    region = found.region
    units = units_of(found.values) if found.reason is None else None
    parts = []
    for form in ("raw", "adjusted"):
        if units is None:
            tasks = sorted(of.read["task"].unique())
            means = pd.DataFrame({"task": tasks, "n": 0, "reason": found.reason})
            means = means.assign(**dict.fromkeys(("mean", "low", "high"), np.nan))
            parts.append(means.assign(form=form, z=np.nan, method=None, caution=None))
            continue
        means = task_means(units, adjusted=form == "adjusted", bounds=bounds)
        spread = units.values.std(ddof=1) if len(units) > 1 else 0.0
        # Where all prompts have one value, no difference has a scale.
        z = (means["mean"] - means["mean"].mean()) / (spread or np.nan)
        parts.append(means.assign(form=form, z=z))
    made = pd.concat(parts, ignore_index=True).assign(
        model=found.model, region=region.key, metric=metric
    )
    first, last = (found.layers[0], found.layers[-1]) if found.layers else (None, None)
    layers = {"first_layer": first, "last_layer": last}
    return made.assign(**layers).astype(dict.fromkeys(layers, "Int64"))[_COLUMNS]
