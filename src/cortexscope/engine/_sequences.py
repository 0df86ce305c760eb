"""Sequences that are generated to find heads which copy: random tokens, read twice."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["repeated_tokens"]

_SEQUENCES = 8
_LENGTH = 32
"""Tokens before they repeat."""


def repeated_tokens(
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no type that can be named
    *,
    vocabulary: int,
    context: int | None,
    start: int | None,
) -> Int[Tensor, "sequence token"]:
    """Return sequences [start, x1 .. xn, x1 .. xn] of random tokens, the same at every call.

    Args:
        tokenizer: its special tokens are left out of the random ones.
        vocabulary: number of tokens that the model knows.
        context: the longest input it takes, None where there is no limit.
        start: the token that begins a sequence, None where none does.
    """
    length = _LENGTH if context is None else max(2, min(_LENGTH, (context - 1) // 2))
    special = set(tokenizer.all_special_ids)
    plain = torch.tensor([token for token in range(vocabulary) if token not in special])
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(plain), (_SEQUENCES, length), generator=generator)
    half = plain[chosen]
    parts = [half, half]
    if start is not None:
        parts.insert(0, torch.full((_SEQUENCES, 1), start))
    return torch.cat(parts, 1)
