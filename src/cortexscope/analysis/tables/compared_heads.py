"""Which heads of models differ from those of the one that they are compared with."""

from __future__ import annotations

from cortexscope.analysis.tables._compared_places import ComparedPlaces

__all__ = ["ComparedHeads"]


class ComparedHeads(ComparedPlaces):
    """As `stats.map_contrasts` gives them for the metrics that are looked at closely.

    Heads are paired by their numbers; `p_bh` counts all heads of a metric (Benjamini and Hochberg).
    """

    name = "compared_heads"
    holds = "which heads differ from those of the model compared with"
    heads = True
    of_focus = True
