"""The contract of a metric: say what it is, take sums from what is seen, finish them.

A metric is one class in one file and one row in the table of `cortexscope.metrics`. It sets `spec`
and writes `update` and `compute`, both pure; what it must see it names in `spec.needs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.metrics._options import MetricOptions
from cortexscope.metrics._states import State, Sums, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows, HiddenStates

__all__ = ["Layout", "MeanOverRows", "MeanOverStates", "Metric", "Values", "quotients"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which sites the model has, so that a metric can say where nothing was seen."""

    hidden: tuple[Site, ...]
    """The embedding output and each block's output."""
    attention: tuple[Site, ...]
    """Each block."""
    final: Site
    """The output after the last norm."""


class Values(NamedTuple):
    """A metric's values at one site."""

    site: Site
    """Its layer is None for a value of the whole model."""
    values: Float[Tensor, prompt * head] | None
    """Float64; NaN where undefined. None where nothing was seen at all."""
    reason: str | None
    """Why values are undefined, None where none can be."""


class Metric(ABC):
    """A quantity with a name, reduced while the model runs."""

    spec: ClassVar[MetricSpec]

    def __init__(self, options: MetricOptions) -> None:
        self.options = options

    def start(self) -> State:
        """Return the state before anything was seen."""
        return {}

    @abstractmethod
    def update(self, state: State, site: Site, seen: HiddenStates | AttentionRows) -> State:
        """Return the state with the sums of what was seen at a site added."""

    @abstractmethod
    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Yield the values of all prompts, site by site."""


class MeanOverStates(Metric):
    """A metric per layer: the mean of one number a token or an entry of the hidden states."""

    @abstractmethod
    def sums(self, seen: HiddenStates) -> Sums:
        """Return `total` and `count` of what the mean is over, each [prompt]."""

    def update(self, state: State, site: Site, seen: HiddenStates | AttentionRows) -> State:
        """Add the total and the count of a layer."""
        if not isinstance(seen, HiddenStates) or site.layer is None:
            return state
        return add(state, site, self.sums(seen))

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer."""
        yield from quotients(state, layout.hidden, "no tokens")


class MeanOverRows(Metric):
    """A metric per layer and head: the mean of one number a query row of the attention.

    A subclass says which rows count; `undefined` is the reason where a prompt has none.
    """

    undefined: ClassVar[str]

    @abstractmethod
    def sums(self, seen: AttentionRows) -> Sums:
        """Return `total` and `count` of the rows that count, each [prompt, head]."""

    def update(self, state: State, site: Site, seen: HiddenStates | AttentionRows) -> State:
        """Add the total and the count of a layer's heads."""
        if not isinstance(seen, AttentionRows):
            return state
        return add(state, site, self.sums(seen))

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer and head by head."""
        yield from quotients(state, layout.attention, self.undefined)


def quotients(state: State, sites: Sequence[Site], undefined: str) -> Iterator[Values]:
    """Yield `total / count` at each site; one value for all where nothing was seen anywhere."""
    if not any(site in state for site in sites):
        yield Values(Site(sites[0].stack, None), None, "no attention layers")
        return
    for site in sites:
        if site not in state:
            yield Values(site, None, "no softmax attention in this layer")
            continue
        sums = state[site]
        count = sums["count"]
        value = sums["total"] / count.clamp(min=1)
        # Undefined is NaN; a NaN that the model computed is another matter, kept apart as infinity.
        value = value.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=torch.inf)
        yield Values(site, value.masked_fill(count == 0, torch.nan), undefined)
