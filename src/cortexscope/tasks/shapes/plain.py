"""Rows whose text has one of the names that texts mostly have, whatever stands beside it."""

from __future__ import annotations

from cortexscope.tasks.shapes._shape import BESIDE, Shape, columns

__all__ = ["SHAPES"]

_BESIDE = {name: name for name in BESIDE}

SHAPES = tuple(
    Shape(
        title=None,
        needs=frozenset({name}),
        fields=columns(text=name, **_BESIDE),
        expand=("attributes",),
        fits=lambda row, name=name: isinstance(row.get(name), str),  # type: ignore[misc]
    )
    for name in ("text", "prompt", "question", "sentence")
)
