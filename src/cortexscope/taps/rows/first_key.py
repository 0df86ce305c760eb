"""The probability that each row puts on the first key it can see."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.taps._kernel_rows import KernelRows
from cortexscope.taps._mask import Mask
from cortexscope.taps._statistics import Outcomes, RowStatistic

__all__ = ["FirstKey"]


class FirstKey(RowStatistic):
    """The probability that each row puts on the first key it can see."""

    name = "first_key"
    text = "the probability of each row's first visible key"

    def chosen(self, mask: Mask, queries: int) -> Int[Tensor, "#prompt #head #query"]:
        """Return the first key that each row sees."""
        if mask.first is not None:
            return mask.first
        return torch.zeros(1, 1, 1, dtype=torch.long, device=mask.visible.device)

    def of_outcomes(self, rows: Outcomes) -> Float[Tensor, "prompt head row"]:
        """Read it off."""
        return rows.at(rows.first)

    def of_kernel(self, rows: KernelRows) -> Float[Tensor, "prompt head query"]:
        """Compute its score alone."""
        return rows.on_first_key
