"""The kinds of edits."""

from __future__ import annotations

from cortexscope.registry import Registry

__all__ = ["EDITS"]

EDITS = Registry(
    "edit",
    {
        "layers": "cortexscope.interventions.layers:Layers",
        "attention": "cortexscope.interventions.attention:Attention",
        "mlp": "cortexscope.interventions.mlp:MLP",
        "heads": "cortexscope.interventions.heads:Heads",
        "neurons": "cortexscope.interventions.neurons:Neurons",
        "experts": "cortexscope.interventions.experts:Experts",
        "direction": "cortexscope.interventions.direction:Direction",
        "threshold": "cortexscope.interventions.threshold:Threshold",
        "weights": "cortexscope.interventions.weights:Weights",
    },
)
"""A kind of edit by its name; other packages add theirs in the group `cortexscope.edits`."""
