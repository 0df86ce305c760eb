"""Conversations: OpenAI's `messages`, ShareGPT's `conversations`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexscope.tasks._filters import is_list
from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]


def _messages(name: str) -> Any:  # noqa: ANN401 - a function of a row
    def fits(row: Mapping[str, Any]) -> bool:
        return is_list(row.get(name)) and all(isinstance(turn, Mapping) for turn in row[name])

    return fits


SHAPES = tuple(
    Shape(
        title=title,
        needs=frozenset({name}),
        fields=columns(messages=name, task="task", id="id"),
        uses=frozenset({"tools"}),
        fits=_messages(name),
    )
    for name, title in (
        ("messages", "conversations"),
        ("conversations", "conversations, as ShareGPT"),
        ("conversation", "conversations"),
    )
)
