"""The metrics: one class a quantity, one row in this table, more by entry point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortexscope.metrics._options import MetricOptions
from cortexscope.registry import Registry

if TYPE_CHECKING:
    from cortexscope.metrics._metric import Metric
    from cortexscope.records import MetricSpec

__all__ = ["DEFAULT", "METRICS", "MetricOptions", "make_metrics", "metric_names", "metric_specs"]

METRICS = Registry(
    "metric",
    {
        "study.final_activation": "cortexscope.metrics.study:StudyFinalActivation",
        "study.attention_entropy": "cortexscope.metrics.study:StudyAttentionEntropy",
        "study.max_sparsity": "cortexscope.metrics.study:StudyMaxSparsity",
        "attention_entropy": "cortexscope.metrics.attention_entropy:AttentionEntropy",
        "attention_entropy_normalized": (
            "cortexscope.metrics.attention_entropy:AttentionEntropyNormalized"
        ),
        "attention_sink_mass": "cortexscope.metrics.attention_sink_mass:AttentionSinkMass",
        "residual_norm": "cortexscope.metrics.residual_norm:ResidualNorm",
        "near_zero_fraction": "cortexscope.metrics.near_zero_fraction:NearZeroFraction",
        "expert_load": "cortexscope.metrics.expert_routing:ExpertLoad",
        "router_entropy": "cortexscope.metrics.expert_routing:RouterEntropy",
    },
)

DEFAULT = "default"
"""Stands for all metrics of the table where a metric is asked for."""


def metric_names(asked: Sequence[str] | None = None) -> list[str]:
    """Return the names asked for, in the table's order and once each; all where None.

    Raises:
        UnknownNameError: for a name that is in no table, with the nearest ones.
    """
    known = METRICS.names()
    if asked is None:
        return known
    wanted = set()
    for name in asked:
        if name == DEFAULT:
            wanted.update(known)
        else:
            METRICS.check(name)
            wanted.add(name)
    return [name for name in known if name in wanted]


def metric_specs(names: Sequence[str] | None = None) -> list[MetricSpec]:
    """Return what the metrics of these names are; all where None."""
    return [METRICS.load(name).spec for name in metric_names(names)]


def make_metrics(names: Sequence[str], options: MetricOptions) -> list[Metric]:
    """Return the metrics of these names with the options set."""
    return [METRICS.load(name)(options) for name in names]
