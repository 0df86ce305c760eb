"""The study's tables in its own layout, with the fair metrics beside them: one file a table."""

from __future__ import annotations

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._table import Table
from cortexscope.report.tables import (
    architectures,
    categories,
    complete,
    metrics,
    models,
    scale,
    task_effects,
    top,
)

__all__ = ["TABLES", "tables_of"]

TABLES = (
    complete.build,
    models.build,
    categories.build,
    architectures.build,
    scale.build,
    top.build,
    metrics.build,
    task_effects.build,
)
"""The tables' builders, in the order of their numbers."""


def tables_of(frames: RunFrames, labels: Labels) -> tuple[Table, ...]:
    """Return all tables of a run."""
    return tuple(build(frames, labels) for build in TABLES)
