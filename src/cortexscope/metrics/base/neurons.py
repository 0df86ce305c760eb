"""Metrics of hidden states that are taken of an MLP's neurons as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from cortexscope.records import MetricSpec

__all__ = ["of_neurons"]


def of_neurons(
    spec: MetricSpec,
    name: str,
    *,
    title: str,
    definition: str,
    source: str | None = None,
    cost: Literal["low", "high"] | None = None,
) -> MetricSpec:
    """Return the spec of the same metric of the neurons, on a sample of the tokens."""
    return replace(
        spec,
        name=name,
        title=title,
        definition=definition,
        source=source or spec.source,
        cost=cost or spec.cost,
        needs=("neurons",),
        sampled=True,
    )
