"""The study's tables in its own layout, with the fair metrics beside them: one file a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

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

TABLES: Mapping[str, Callable[[RunFrames, Labels], Table]] = {
    "complete": complete.build,
    "models": models.build,
    "categories": categories.build,
    "architectures": architectures.build,
    "scale": scale.build,
    "top": top.build,
    "metrics": metrics.build,
    "task_effects": task_effects.build,
}
"""The tables' builders by key, in the order of their numbers."""


def tables_of(
    frames: RunFrames, labels: Labels, only: Collection[str] | None = None
) -> tuple[Table, ...]:
    """Return the tables of a run with these keys, all where None; no other is made."""
    return tuple(
        build(frames, labels) for key, build in TABLES.items() if only is None or key in only
    )
