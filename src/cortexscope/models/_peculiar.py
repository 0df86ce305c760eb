"""The families whose code lays out its tensors like no other, one row each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.records import Stack

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Peculiar", "peculiarities"]


@dataclass(frozen=True, slots=True)
class Peculiar:
    """How a stack's tensors are laid out, where that is not as everywhere else."""

    token_first: bool = False
    """The states of its blocks are [token, prompt, feature]."""
    token_first_ends: bool = False
    """So are its input and its output."""
    head_after_query: bool = False
    """Its attention scores are [prompt, query, head, key]."""
    shared_blocks: bool = False
    """Each of its blocks runs several times in a row, until there are as many as layers."""
    padded_inside: bool = False
    """It appends padding of its own after its input, and takes it off at its end."""


_USUAL = Peculiar()

_BANDED = Peculiar(head_after_query=True, padded_inside=True)

_ROWS: dict[tuple[str, Stack], Peculiar] = {
    ("albert", "encoder"): Peculiar(shared_blocks=True),
    ("longformer", "encoder"): _BANDED,
    ("led", "encoder"): _BANDED,
    ("xlnet", "encoder"): Peculiar(token_first=True),
    ("xlnet", "decoder"): Peculiar(token_first=True),
}


def peculiarities(backbone: nn.Module, family: str | None, stack: Stack) -> Peculiar:
    """Return the layout of a stack; where no row names its family, it is the usual one."""
    from torch import nn

    # torch's own multi-head attention says which axis comes first.
    first = (p.batch_first for p in backbone.modules() if isinstance(p, nn.MultiheadAttention))
    if not all(first):
        return Peculiar(token_first=True, token_first_ends=True)
    return _USUAL if family is None else _ROWS.get((family, stack), _USUAL)
