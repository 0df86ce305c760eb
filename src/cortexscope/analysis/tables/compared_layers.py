"""Where along depth metrics of models differ from those of the one that they are compared with."""

from __future__ import annotations

from cortexscope.analysis.tables._compared_places import ComparedPlaces

__all__ = ["ComparedLayers"]


class ComparedLayers(ComparedPlaces):
    """As `stats.layer_contrasts` gives them for each metric and pair (max-T along depth).

    A difference is the model's value less the base's.
    """

    name = "compared_layers"
    holds = "at which layers metrics differ from those of the model compared with"
