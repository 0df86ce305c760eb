"""The probability that each row puts on the first token, 0 where a window hides it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.taps._kernel_rows import KernelRows
from cortexscope.taps._mask import Mask
from cortexscope.taps._place import Place
from cortexscope.taps._statistics import Outcomes, RowStatistic

__all__ = ["FirstToken"]


class FirstToken(RowStatistic):
    """The probability that each row puts on the first token, 0 where a window hides it."""

    name = "first_token"
    text = "the probability of the first token"

    def applies(self, place: Place) -> bool:
        """Return whether keys tell which tokens they are."""
        return not place.head_after_query

    def chosen(self, mask: Mask, queries: int) -> Int[Tensor, "#prompt #head #query"]:
        """Return the first token's key."""
        if mask.start is not None:
            return mask.start[..., None]
        return torch.zeros(1, 1, 1, dtype=torch.long, device=mask.visible.device)

    def of_outcomes(self, rows: Outcomes) -> Float[Tensor, "prompt head row"]:
        """Read it off."""
        return rows.at(None if rows.start is None else rows.start[..., None])

    def of_kernel(self, rows: KernelRows) -> Float[Tensor, "prompt head query"]:
        """Compute its score alone."""
        mask = rows.mask
        if mask.first is None and mask.start is None:
            return rows.on_first_key
        first = torch.zeros_like(mask.visible) if mask.first is None else mask.first
        start = torch.zeros_like(first[..., 0]) if mask.start is None else mask.start
        start = start.expand(rows.query.shape[0], -1)[..., None]  # [B, 1 or H, 1]
        index = start.clamp(min=0).expand(-1, -1, rows.query.shape[2])
        # Of keys that are not hidden one by one, only those before the first one seen are hidden.
        return rows.mass_at(index).masked_fill_(start < first, 0)
