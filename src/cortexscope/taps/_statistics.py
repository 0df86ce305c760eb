"""Which statistics of attention rows are computed, and what they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

__all__ = ["RowStatistics", "Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which statistics somebody asked for."""

    entropy: bool
    first_key: bool


class RowStatistics(NamedTuple):
    """Statistics of rows, None where nobody asked."""

    entropy: Float[Tensor, "prompt head query"] | None
    first_key: Float[Tensor, "prompt head query"] | None
