"""Metrics that are one number of all the tokens of a prompt at once, layer by layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cortexscope.metrics._absent import NO_STATES
from cortexscope.metrics._means import quotients
from cortexscope.metrics._metric import Layout, Metric, Seen, Values
from cortexscope.metrics._states import State, add
from cortexscope.records import Site
from cortexscope.taps import HiddenStates

__all__ = ["Numbers", "OfWholePrompts"]


class Numbers(NamedTuple):
    """A number for each prompt."""

    values: Float[Tensor, " prompt"]
    """Not finite where the model's states are not."""
    defined: Bool[Tensor, " prompt"]
    """Which prompts have one."""


class OfWholePrompts(Metric):
    """A metric per layer 0..L: one number of the hidden states of all tokens of a prompt.

    `undefined` is the reason where a prompt has none.
    """

    undefined: ClassVar[str]

    @abstractmethod
    def value(self, seen: HiddenStates) -> Numbers:
        """Return the numbers of the prompts."""

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Keep the numbers of a layer."""
        if type(seen) is not HiddenStates or site.layer is None:
            return state
        values, defined = self.value(seen)
        total = torch.where(defined, values.double(), 0)
        return add(state, site, {"total": total, "count": defined.double()})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Return the numbers where there are any."""
        yield from quotients(state, layout.hidden, self.undefined, absent=NO_STATES)
