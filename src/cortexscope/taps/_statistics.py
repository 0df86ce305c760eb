"""What a statistic of attention rows is, and what it is computed of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.taps._kernel_rows import KernelRows
from cortexscope.taps._mask import Mask
from cortexscope.taps._place import Place

__all__ = ["Outcomes", "RowStatistic", "Rows", "Statistics", "Wanted", "WholeRows"]

Statistics = Mapping[str, Float[Tensor, "prompt head query"]]
"""One number a row, by the name of the statistic; without what nobody asked for or there is not."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Neighbouring rows of an attention with all that their softmax gave."""

    probabilities: Float[Tensor, "prompt head row outcome"]
    first: Int[Tensor, "#prompt #head row"] | None
    """The first key that each row sees; None where it is key 0 for all."""
    start: Int[Tensor, "#prompt #head"] | None
    """The key of each prompt's first token, below 0 where it is not there; None for key 0."""
    previous: int
    """The key of the token before the first row's own, below 0 where there is none."""
    sink: bool = False
    """Whether the last outcome is a sink and no key."""

    def at(self, index: Int[Tensor, "*#row"] | None) -> Float[Tensor, "prompt head row"]:
        """Return the probability on a key of each row, 0 where its number is below 0."""
        if index is None:
            return self.probabilities[..., 0].clone()
        there = index.clamp(min=0).expand(self.probabilities.shape[:-1])[..., None]
        return self.probabilities.gather(-1, there).squeeze(-1).masked_fill_(index < 0, 0)


class RowStatistic(ABC):
    """One number of each attention row, computed in any of three ways.

    A metric asks for it by the need `attention.NAME`, and reads it by `AttentionRows.of(NAME)`.
    """

    name: ClassVar[str]
    text: ClassVar[str]
    """What it is, for a list of needs."""
    averages: ClassVar[bool] = False
    """Whether it is made of the mean key of each row, for which a fused kernel runs twice."""

    def applies(self, place: Place) -> bool:
        """Return whether it can be told of an attention that runs there."""
        return True

    def chosen(self, mask: Mask, queries: int) -> Int[Tensor, "#prompt #head #query"] | None:
        """Return the key of each row whose probability it is, below 0 for none.

        None if it is no such probability. Compiled code computes these, and the entropy.
        """
        return None

    @abstractmethod
    def of_outcomes(self, rows: Outcomes) -> Float[Tensor, "prompt head row"] | None:
        """Return it of whole rows; None if there is no such thing."""

    @abstractmethod
    def of_kernel(self, rows: KernelRows) -> Float[Tensor, "prompt head query"] | None:
        """Return it of what a fused kernel gave, which has no sinks; None likewise."""


Wanted = tuple[RowStatistic, ...]
"""The statistics that somebody asked for."""


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
