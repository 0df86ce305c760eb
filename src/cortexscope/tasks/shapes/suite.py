"""A suite's own columns: a text or messages, and beside it task, id, target, paraphrase_of."""

from __future__ import annotations

from cortexscope.tasks.shapes._shape import BESIDE, Shape, columns

__all__ = ["SHAPES"]

_BESIDE = {name: name for name in BESIDE}

SHAPES = (
    Shape(
        title=None,
        needs=frozenset({"task", "id", "text"}),
        fields=columns(text="text", **_BESIDE),
        expand=("attributes",),
    ),
    Shape(
        title=None,
        needs=frozenset({"task", "id", "messages"}),
        fields=columns(messages="messages", **_BESIDE),
        expand=("attributes",),
    ),
)
