"""Pairs of models and of tasks: which are compared, and which of the two is said first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexscope.report._frames import RunFrames

__all__ = ["Contrast", "MANY", "compares_models", "higher_first", "turned"]

Contrast = Mapping[Any, Any]
"""A row of the statistics' tables of contrasts, whose difference is that of a less b."""

MANY = "pairs of {models} models are many; `cortexscope stats` compares them"
"""Why models are not compared."""

_MOST = 6
"""Models; of more, pairs are compared only where the statistics are kept, for they are many."""


def compares_models(frames: RunFrames) -> bool:
    """Return whether the pairs of models that were measured are compared: few, or kept."""
    models = sum(bool(frames.stacks_of(model)) for model in frames.labels)
    return models >= 2 and (models <= _MOST or frames.analysis.kept("model_contrasts"))


def turned(row: Contrast) -> dict[Any, Any]:
    """Return a contrast the other way round: b less a."""
    pairs = (("a", "b"), ("n_a", "n_b"))
    made = dict(row) | {to: row[own] for pair in pairs for own, to in (pair, pair[::-1])}
    for name in ("difference", "hedges_g"):
        made[name] = -row[name]
    for low, high in (("low", "high"), ("hedges_g_low", "hedges_g_high")):
        made[low], made[high] = -row[high], -row[low]
    return made


def higher_first(row: Contrast) -> dict[Any, Any]:
    """Return a contrast whose difference is not below 0."""
    return turned(row) if row["difference"] < 0 else dict(row)
