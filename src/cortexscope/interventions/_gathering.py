"""What is kept of the entries that a part reads, over all tokens of all reference prompts."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["GATHERS", "Sizes"]

_LOWEST, _HIGHEST = -40, 24
"""Powers of two between which sizes are told apart."""
_STEPS = 256
"""Bins an octave: a threshold is known to 0.27 %."""


@runtime_checkable
class Gather(Protocol):
    """Takes entries [token, feature], prompt after prompt."""

    def take(self, entries: Float[Tensor, "token feature"]) -> None:
        """Take those of one prompt."""

    def result(self) -> Tensor:
        """Return what became of them."""


class Mean:
    """The mean over tokens, [feature], float64."""

    def __init__(self) -> None:
        self._total: Tensor | float = 0.0
        self._count = 0

    def take(self, entries: Float[Tensor, "token feature"]) -> None:
        self._total = self._total + entries.double().sum(0)
        self._count += len(entries)

    def result(self) -> Tensor:
        return torch.as_tensor(self._total) / self._count


class Last:
    """Those of the last token, [feature]."""

    def take(self, entries: Float[Tensor, "token feature"]) -> None:
        self._last = entries[-1].clone()

    def result(self) -> Tensor:
        return self._last


class Norms:
    """The l2 norm of each feature over all tokens, [feature], float64."""

    def __init__(self) -> None:
        self._total: Tensor | float = 0.0

    def take(self, entries: Float[Tensor, "token feature"]) -> None:
        self._total = self._total + entries.double().square().sum(0)

    def result(self) -> Tensor:
        return torch.as_tensor(self._total).sqrt()


class Sizes:
    """How many entries have which size: counts over bins of log2 |x|, 256 an octave.

    All features of a matrix's input share them, as one threshold is for all of it.
    """

    def __init__(self) -> None:
        self._counts: Tensor | float = 0.0

    def take(self, entries: Float[Tensor, "token feature"]) -> None:
        powers = entries.float().abs().log2().clamp(_LOWEST, _HIGHEST)
        bins = (_HIGHEST - _LOWEST) * _STEPS
        counts = torch.histc(powers.cpu(), bins=bins, min=_LOWEST, max=_HIGHEST)
        self._counts = self._counts + counts.double()

    def result(self) -> Tensor:
        return torch.as_tensor(self._counts)

    @staticmethod
    def below(counts: Float[Tensor, " bin"], share: int | float) -> float:
        """Return the size below which a share of the entries lies, to 0.27 %."""
        so_far = counts.cumsum(0)
        place = int(torch.searchsorted(so_far, share * so_far[-1]))
        return float(2.0 ** (_LOWEST + place / _STEPS))


GATHERS: dict[str, type[Gather]] = {"mean": Mean, "last": Last, "norms": Norms, "sizes": Sizes}
