"""How the states of a prompt fill their space: the spectra of small matrices in float64."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.taps._tokens import Tokens

__all__ = ["Spectra"]


class Spectra:
    """The squared singular values of each prompt's states, a row a token.

    They are the eigenvalues of the product of the matrix with itself, of its shorter side, in
    float64: a product in float32 would lose all that is below 1/3000 of the largest. They come
    from the largest down, as many as the shorter side has, and are NaN where a state is not finite.

    Args:
        states: [prompt, token, feature].
        positions: which positions hold a token and not padding.
    """

    def __init__(self, states: Float[Tensor, "prompt token feature"], positions: Tokens) -> None:
        self._tokens = positions.mask[..., None]
        self._counts = positions.counts[:, None]
        self._rows = torch.where(self._tokens, states, 0).double()

    @cached_property
    def plain(self) -> Float[Tensor, "prompt value"]:
        """Of the states as they are."""
        return self._spectrum(self._rows)

    @cached_property
    def centred(self) -> Float[Tensor, "prompt value"]:
        """Of the states less their mean: the variance along each axis, times the tokens."""
        return self._spectrum(self._centred)

    @cached_property
    def directions(self) -> Float[Tensor, "prompt value"]:
        """Of the states less their mean, each then scaled to length 1; one of no length stays."""
        norms = torch.linalg.vector_norm(self._centred, dim=-1, keepdim=True)
        return self._spectrum(self._centred / torch.where(norms == 0, 1, norms))

    @cached_property
    def _centred(self) -> Tensor:
        mean = self._rows.sum(1, keepdim=True) / self._counts[..., None].clamp(min=1)
        return torch.where(self._tokens, self._rows - mean, 0)

    def _spectrum(self, rows: Tensor) -> Tensor:
        length, width = rows.shape[1:]
        product = rows @ rows.mT if length <= width else rows.mT @ rows
        finite = product.isfinite().all(-1).all(-1, keepdim=True)
        values = torch.linalg.eigvalsh(torch.where(finite[..., None], product, 0))
        # What is beyond the rank that a prompt can have is rounding.
        possible = torch.arange(values.shape[-1], device=rows.device) < self._counts.clamp(
            max=width
        )
        values = torch.where(possible, values.flip(-1).clamp(min=0), 0)
        return values.masked_fill(~finite, torch.nan)
