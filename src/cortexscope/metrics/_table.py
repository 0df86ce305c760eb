"""Which metrics there are, by group: the name, and where its class is."""

from __future__ import annotations

from cortexscope.registry import Registry

__all__ = ["GROUPS", "METRICS"]

GROUPS: dict[str, dict[str, str]] = {
    "study": {
        "study.final_activation": "study:StudyFinalActivation",
        "study.attention_entropy": "study:StudyAttentionEntropy",
        "study.max_sparsity": "study:StudyMaxSparsity",
    },
    "attention": {
        "attention_entropy": "attention_entropy:AttentionEntropy",
        "attention_entropy_normalized": "attention_entropy:AttentionEntropyNormalized",
        "attention_sink_mass": "attention_sink_mass:AttentionSinkMass",
    },
    "magnitude": {
        "residual_norm": "residual_norm:ResidualNorm",
    },
    "sparsity": {
        "near_zero_fraction": "near_zero_fraction:NearZeroFraction",
    },
    "geometry": {},
    "depth": {},
    "experts": {
        "expert_load": "expert_routing:ExpertLoad",
        "router_entropy": "expert_routing:RouterEntropy",
    },
    "mixers": {},
    "prediction": {},
}
"""The built-in metrics of each group; `file:Class` in this folder."""

METRICS = Registry(
    "metric",
    {
        name: f"cortexscope.metrics.{place}"
        for group in GROUPS.values()
        for name, place in group.items()
    },
)
"""All metrics: those of the table, and those that other packages add by entry point."""
