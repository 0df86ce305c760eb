"""A place for small tensors that outlive the large ones they were made between."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Shelf"]


class Shelf:
    """Keeps small tensors side by side in large blocks until a forward pass is over.

    Thousands of small tensors, made between the large ones of the layers and outliving them, would
    split the memory that the large ones give back: at 1024 tokens the peak was 400 MB higher.
    """

    _BLOCK = 1 << 17

    def __init__(self) -> None:
        self._blocks: dict[tuple[torch.dtype, torch.device], tuple[Tensor, int]] = {}

    def keep(self, value: Tensor) -> Tensor:
        """Return a copy of a tensor that lies on the shelf."""
        size = value.numel()
        kind = (value.dtype, value.device)
        block, used = self._blocks.get(kind, (value.new_empty(0), 0))
        if used + size > block.numel():
            block, used = value.new_empty(max(self._BLOCK, size)), 0
        self._blocks[kind] = block, used + size
        return block[used : used + size].view(value.shape).copy_(value)
