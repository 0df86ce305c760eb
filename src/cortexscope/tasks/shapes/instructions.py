"""Instructions with what they are about, and a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]


def _joined(about: str) -> Any:  # noqa: ANN401 - a function of a row and a name
    def prepare(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        parts = [row.get("instruction"), row.get(about)]
        if not isinstance(parts[0], str) or not parts[0].strip():
            return row
        return {**row, "instruction": "\n\n".join(part for part in parts if part)}

    return prepare


SHAPES = (
    Shape(
        title="Dolly",
        needs=frozenset({"instruction", "context", "response"}),
        fields=columns(text="instruction", target="response", task="category"),
        shown={"text": "instruction and context"},
        uses=frozenset({"context"}),
        prepare=_joined("context"),
    ),
    Shape(
        title="Alpaca",
        needs=frozenset({"instruction", "output"}),
        fields=columns(text="instruction", target="output"),
        shown={"text": "instruction and input"},
        uses=frozenset({"input", "text"}),
        prepare=_joined("input"),
    ),
)
