"""Known shapes of rows: one file a kind, and a row here, what says more before what says less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexscope.tasks.shapes import (
    choices,
    code,
    conversations,
    inspect_ai,
    instructions,
    lm_eval,
    plain,
    questions,
    suite,
)
from cortexscope.tasks.shapes._shape import BESIDE, Shape

__all__ = ["BESIDE", "SHAPES", "Shape", "recognised"]

SHAPES: tuple[Shape, ...] = (
    *suite.SHAPES,
    *lm_eval.SHAPES,
    *inspect_ai.SHAPES,
    *conversations.SHAPES,
    *choices.SHAPES,
    *code.SHAPES,
    *instructions.SHAPES,
    *questions.SHAPES,
    *plain.SHAPES,
)


def recognised(keys: frozenset[str], row: Mapping[str, Any]) -> Shape | None:
    """Return the first shape that rows with these columns, such as this one, are of.

    Example:
        >>> row = {"question": "Why?", "answer": "Because."}
        >>> recognised(frozenset(row), row).title
        'questions with answers, as GSM8K'
    """
    return next((shape for shape in SHAPES if shape.is_of(keys, row)), None)
