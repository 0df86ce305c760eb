"""Which statistics of attention rows are computed, and what they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["RowStatistics", "Wanted", "WholeRows", "mapped"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which statistics somebody asked for."""

    entropy: bool = False
    first_key: bool = False
    first_token: bool = False
    previous_token: bool = False
    learned_sink: bool = False

    def __bool__(self) -> bool:
        """Return whether anything is wanted."""
        return any(getattr(self, name) for name in RowStatistics._fields)


class RowStatistics(NamedTuple):
    """Statistics of rows, None where nobody asked."""

    entropy: Float[Tensor, "prompt head query"] | None = None
    first_key: Float[Tensor, "prompt head query"] | None = None
    first_token: Float[Tensor, "prompt head query"] | None = None
    previous_token: Float[Tensor, "prompt head query"] | None = None
    learned_sink: Float[Tensor, "prompt head query"] | None = None


class WholeRows(NamedTuple):
    """Some rows of an attention, whole."""

    places: slice
    """Which of the rows that were asked for."""
    queries: Int[Tensor, "#prompt row"]
    """Where each query is on the axis of the keys."""
    probabilities: Float[Tensor, "prompt head row key"]
    visible: Bool[Tensor, "#prompt #head row key"]
    start: Int[Tensor, "#prompt #head"] | None = None
    """Where the first token is on the axis of the keys, below 0 if it is not there any more; None
    for key 0."""
    learned_sink: Float[Tensor, "prompt head row"] | None = None
    """What each row puts on a sink that is no key."""


Rows = Callable[[Int[Tensor, "prompt row"] | None], Iterable[WholeRows]]
"""Gives whole rows of an attention, in parts: those of the queries named, all where None."""


def mapped(rows: RowStatistics, change: Callable[[Tensor], Tensor]) -> RowStatistics:
    """Return the statistics with each one that is there changed."""
    return RowStatistics(*(None if part is None else change(part) for part in rows))
