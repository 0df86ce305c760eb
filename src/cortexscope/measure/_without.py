"""Say of what a change has taken out of a model that it was taken out, and give it no value."""

from __future__ import annotations

from dataclasses import replace

import torch

from cortexscope.interventions import Removed
from cortexscope.metrics.base.metric import Values
from cortexscope.records import MetricSpec, Site

__all__ = ["without"]

_BRANCH = {
    "attention": ("attention.", "inputs.attention", "inputs.heads"),
    "mlp": ("neurons", "inputs.mlp", "experts"),
}
_NEEDS = {**_BRANCH, "layer": (*_BRANCH["attention"], *_BRANCH["mlp"], "updates", "mixers")}
"""What is of a part, by how the name of a need begins."""


def without(removed: tuple[Removed, ...], spec: MetricSpec, found: Values) -> Values:
    """Return values with the reason of what was taken out.

    A layer or a branch was not shown to the metric at all; of a head or an expert the values are
    made undefined here.
    """
    if found.values is None:
        reason = next((why for site in found.sites if (why := _whole(removed, spec, site))), None)
        return found if reason is None else replace(found, reason=reason)
    axis = "head" if "head" in spec.axes else spec.index
    gone = {
        (site, one.index): one.reason
        for one in removed
        for site in found.sites
        if one.part == axis and one.index is not None and one.site == site
    }
    if not gone:
        return found
    values = found.values.clone()
    for site, part in gone:
        where = found.index.index(part) if found.index is not None else part
        values[found.sites.index(site), :, where] = torch.nan
    return replace(found, values=values, removed=gone)


def _whole(removed: tuple[Removed, ...], spec: MetricSpec, site: Site) -> str | None:
    for one in removed:
        begins = _NEEDS.get(one.part, ())
        if one.holds(site) and any(need.startswith(begins) for need in spec.needs):
            return one.reason
    return None
