"""The probability that each row puts on the token before its own, 0 where there is none."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.taps._kernel_rows import KernelRows, dot_per_group
from cortexscope.taps._mask import Mask
from cortexscope.taps._place import Place
from cortexscope.taps._statistics import Outcomes, RowStatistic

__all__ = ["PreviousToken"]


class PreviousToken(RowStatistic):
    """The probability that each row puts on the token before its own, 0 where there is none."""

    name = "previous_token"
    text = "the probability of the token before"

    def applies(self, place: Place) -> bool:
        """Return whether keys tell which tokens they are, and are of the same text."""
        return not (place.head_after_query or place.cross)

    def chosen(self, mask: Mask, queries: int) -> Int[Tensor, "#prompt #head #query"]:
        """Return the key before each row's own."""
        before = mask.shift - 1
        return torch.arange(before, before + queries, device=mask.visible.device)[None, None]

    def of_outcomes(self, rows: Outcomes) -> Float[Tensor, "prompt head row"]:
        """Read it off."""
        count, device = rows.probabilities.shape[2], rows.probabilities.device
        return rows.at(torch.arange(rows.previous, rows.previous + count, device=device))

    def of_kernel(self, rows: KernelRows) -> Float[Tensor, "prompt head query"]:
        """Compute its score alone."""
        mask, queries = rows.mask, rows.query.shape[2]
        first = max(0, 1 - mask.shift)  # The first row that has a token before it.
        keys = rows.key[:, :, mask.shift + first - 1 : mask.shift + queries - 1]
        score = dot_per_group(rows.query[:, :, first:], keys).mul_(rows.scale)
        if mask.bias is not None:
            bias = mask.bias.expand(-1, -1, queries, -1)[:, :, first:]
            diagonal = bias.diagonal(mask.shift + first - 1, dim1=-2, dim2=-1)
            score += diagonal[..., : score.shape[-1]]
        mass = torch.zeros_like(rows.lse)
        mass[:, :, first:] = (score - rows.lse[:, :, first:]).exp_().clamp_(max=1)
        return mass
