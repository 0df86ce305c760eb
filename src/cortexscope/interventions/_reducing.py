"""What becomes of one matrix: rounded to few bits, pruned, or of low rank."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.errors import UsageError
from cortexscope.interventions._amount import Amount

__all__ = ["GROUP", "Reduction", "low_rank", "pruned", "rounded"]

GROUP = 128
"""Inputs of a row that share a scale."""

_BITS = re.compile(r"int([2-8])")
_FORM = (
    "write int8, int4 or int3 (any from int2), bf16, prune:SHARE% (by magnitude), wanda:SHARE%, or "
    "rank:NUMBER or rank:SHARE%"
)


class Reduction(NamedTuple):
    """How a matrix is made coarser."""

    method: str
    """`int` or `bf16`, `prune` (by magnitude), `wanda` or `rank`."""
    amount: Amount | None = None
    """The bits; the share that is pruned; the rank, or its share of the full one."""

    @classmethod
    def parse(cls, text: str) -> Reduction:
        """Return what a user typed.

        Raises:
            UsageError: if it is none of these.

        Example:
            >>> str(Reduction.parse("int4")), str(Reduction.parse("wanda:50%"))
            ('int4', 'wanda:50%')
        """
        if (bits := _BITS.fullmatch(text)) is not None:
            return cls("int", Amount(int(bits[1])))
        if text == "bf16":
            return cls("bf16")
        method, _, much = text.partition(":")
        amount = Amount.parse(much)
        if amount is not None:
            share = amount.share and 0 < amount.value < 1
            whole = not amount.share and amount.value >= 1 and amount.value == int(amount.value)
            if (method in ("prune", "wanda", "rank") and share) or (method == "rank" and whole):
                return cls(method, amount)
        raise UsageError(f"Weights cannot be made {text!r}; {_FORM}.")

    def __str__(self) -> str:
        if self.method == "int":
            return f"int{self.amount}"
        return self.method if self.amount is None else f"{self.method}:{self.amount}"

    def of(
        self, weight: Float[Tensor, "output input"], norms: Float[Tensor, " input"] | None = None
    ) -> Float[Tensor, "output input"]:
        """Return what becomes of a matrix, in its own dtype.

        Args:
            weight: the matrix.
            norms: of each input over reference prompts, for Wanda.
        """
        if self.amount is None:
            return weight.bfloat16().to(weight.dtype)
        much = self.amount.value
        if self.method == "int":
            return rounded(weight, bits=int(much))
        if self.method == "rank":
            full = min(weight.shape)
            return low_rank(
                weight, rank=max(1, round(much * full)) if self.amount.share else int(much)
            )
        return pruned(weight, share=much, norms=norms)


def rounded(weight: Float[Tensor, "output input"], *, bits: int) -> Float[Tensor, "output input"]:
    """Return a matrix rounded to the nearest of 2^bits - 1 evenly spaced values about 0.

    Each 128 inputs of a row, or what is left at its end, share a scale: the largest |w| of them is
    the largest value.
    """
    most = 2 ** (bits - 1) - 1
    outputs, inputs = weight.shape
    spare = -inputs % GROUP
    wide = torch.nn.functional.pad(weight.float(), (0, spare)).reshape(outputs, -1, GROUP)
    scale = wide.abs().amax(-1, keepdim=True) / most
    # A group of zeros has no scale, and stays.
    steps = (wide / torch.where(scale == 0, 1, scale)).round().clamp(-most, most)
    found: Tensor = (steps * scale).reshape(outputs, -1)[:, :inputs].to(weight.dtype)
    return found


def pruned(
    weight: Float[Tensor, "output input"],
    *,
    share: int | float,
    norms: Float[Tensor, " input"] | None = None,
) -> Float[Tensor, "output input"]:
    """Return a matrix with a share of its weights at zero: the least of it, or of each row.

    Without norms those of the smallest |w| in the whole matrix. With norms, in each row those of
    the smallest |w| times the norm of their input (Wanda: arXiv 2306.11695).
    """
    sizes = weight.abs().float()
    flat = sizes.reshape(1, -1) if norms is None else sizes * norms.to(sizes)
    least = flat.argsort(dim=-1, stable=True)[:, : int(share * flat.shape[1])]
    kept = torch.ones_like(flat, dtype=torch.bool).scatter_(1, least, value=False)
    return torch.where(kept.reshape(weight.shape), weight, torch.zeros_like(weight))


def low_rank(weight: Float[Tensor, "output input"], *, rank: int) -> Float[Tensor, "output input"]:
    """Return the nearest matrix of a rank, by its singular values; itself where that is full."""
    if rank >= min(weight.shape):
        return weight.clone()
    left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
    found: Tensor = ((left[:, :rank] * values[:rank]) @ right[:rank]).to(weight.dtype)
    return found
