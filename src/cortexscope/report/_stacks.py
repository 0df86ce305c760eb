"""The stacks of a model in a report: their order, their names, and which one stands for it."""

from __future__ import annotations

from collections.abc import Sequence

from cortexscope.report._labels import plain
from cortexscope.report.tables import number_of

__all__ = ["stack_title", "stacks_note"]

_TITLES = {"cross": "Cross-attention"}


def stack_title(stack: str) -> str:
    """Return what a stack is called at the head of a panel."""
    return _TITLES.get(stack, stack.capitalize())


def stacks_note(models: Sequence[str]) -> tuple[str, ...]:
    """Return the sentence on models of several stacks; none where there is no such model."""
    if not models:
        return ()
    names = ", ".join(plain(model) for model in models)
    return (
        f"{names}: the values here are those of the encoder, which reads the prompt; Table "
        f"{number_of('metrics')} and the figure along the depth of the models have the decoder and "
        "the cross-attention too.",
    )
