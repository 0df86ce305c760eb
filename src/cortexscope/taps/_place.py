"""Where in a model an attention runs."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from cortexscope.taps._tokens import Sample

__all__ = ["Place"]


class Place(NamedTuple):
    """Where in the model an attention runs, as far as reading it depends on it."""

    tokens: Tensor
    """Which query positions are no padding, [prompt, query]."""
    head_after_query: bool
    """Whether scores are [prompt, query, head, key]."""
    cross: bool
    """Whether it looks at another stack."""
    sink: bool
    """Whether its softmax has one outcome more than keys, a learned sink."""
    sample: Sample | None
    """Which queries are to be seen whole; None where none are."""
    so_far: Tensor | None = None
    """Which positions hold tokens, those of earlier passes included; None where unknown."""

    def positions(self, keys: int) -> Tensor | None:
        """Return which positions hold tokens, the keys being these or the last of them.

        None where that is not known, or the keys are of another stack.
        """
        if self.cross or self.so_far is not None:
            return None if self.cross else self.so_far
        return self.tokens if self.tokens.shape[1] == keys else None
