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

from cortexscope.metrics._states import State, Sums, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows, HiddenStates

__all__ = ["Layout", "MeanOfRows", "Metric", "MetricOptions", "Values"]


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """What a user may set about metrics; part of a run's settings."""

    near_zero: float = 0.01
    """Below this |h| an entry counts as near zero, in the units of the hidden states."""


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
    values: Float[Tensor, "prompt *head"] | None
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


class MeanOfRows(Metric):
    """A metric that is the mean of one number a token, per layer or per layer and head.

    A subclass gives the numbers and says which tokens count; `undefined` is the reason where a
    prompt has no such token.
    """

    sees: ClassVar[type[HiddenStates] | type[AttentionRows]]
    undefined: ClassVar[str]

    @abstractmethod
    def rows(self, seen: HiddenStates | AttentionRows) -> Sums:
        """Return `total` and `count`, each [prompt] or [prompt, head], over the rows that count."""

    def update(self, state: State, site: Site, seen: HiddenStates | AttentionRows) -> State:
        """Add the sum and the number of the rows that count."""
        if not isinstance(seen, self.sees) or site.layer is None:
            return state
        return add(state, site, self.rows(seen))

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide; undefined where nothing counts."""
        sites = layout.attention if self.sees is AttentionRows else layout.hidden
        yield from quotients(state, sites, self.undefined)


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
