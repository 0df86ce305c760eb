"""The contract of a metric: say what it is, take sums from what is seen, finish them.

A metric is one class in one file and one row in the table of `cortexscope.metrics`. It sets `spec`
and writes `update` and `compute`, both pure; what it must see it names in `spec.needs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.metrics._options import MetricOptions
from cortexscope.metrics._states import State, Sums, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows, HiddenStates, Routing

__all__ = [
    "NO_ATTENTION",
    "Absent",
    "Known",
    "Layout",
    "MeanOverRoutes",
    "MeanOverRows",
    "MeanOverStates",
    "Metric",
    "Seen",
    "Values",
    "quotients",
]


Seen = HiddenStates | AttentionRows | Routing
"""What a tap shows at a site."""


@dataclass(frozen=True, slots=True)
class Known:
    """Sites that have a part by the model's structure, whether or not it showed anything."""

    attention: frozenset[Site]
    experts: frozenset[Site]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which sites were passed, stack by stack, so that a metric can say where nothing was seen."""

    hidden: tuple[tuple[Site, ...], ...]
    """The embedding output and each block's output, of each stack."""
    attention: tuple[tuple[Site, ...], ...]
    """Each block of each stack, cross-attention being a stack of its own."""
    experts: tuple[tuple[Site, ...], ...]
    """Each block of each stack."""
    known: Known
    final: tuple[Site, ...]
    """The output after the last norm, of each stack."""


class Values(NamedTuple):
    """A metric's values at one site."""

    site: Site
    """Its layer is None for a value of the whole model."""
    values: Float[Tensor, prompt * part] | None
    """Of each prompt, and of each head or expert where the metric has that axis. Float64; NaN
    where undefined. None where nothing was seen at all."""
    reason: str | None
    """Why values are undefined, None where none can be."""


class Absent(NamedTuple):
    """Why nothing was seen."""

    anywhere: str
    """In no layer of a stack."""
    here: str
    """In one layer, though in others."""
    unread: str
    """Where the model's structure says that there is something."""


NO_ATTENTION = Absent(
    "no attention layers",
    "no softmax attention in this layer",
    "the attention of this layer shows no softmax over its keys",
)
NO_EXPERTS = Absent(
    "no experts", "no experts in this layer", "the router of this layer shows no scores"
)
_NO_STATES = Absent("no layers", "the layer did not run", "the layer did not run")


class Metric(ABC):
    """A quantity with a name, reduced while the model runs."""

    spec: ClassVar[MetricSpec]

    def __init__(self, options: MetricOptions) -> None:
        self.options = options

    def start(self) -> State:
        """Return the state before anything was seen."""
        return {}

    @abstractmethod
    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Return the state with the sums of what was seen at a site added."""

    @abstractmethod
    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Yield the values of all prompts, site by site."""


class MeanOverStates(Metric):
    """A metric per layer: the mean of one number a token or an entry of the hidden states."""

    @abstractmethod
    def sums(self, seen: HiddenStates) -> Sums:
        """Return `total` and `count` of what the mean is over, each [prompt]."""

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the total and the count of a layer."""
        if not isinstance(seen, HiddenStates) or site.layer is None:
            return state
        return add(state, site, self.sums(seen))

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer."""
        yield from quotients(state, layout.hidden, "no tokens", absent=_NO_STATES)


class MeanOverRoutes(Metric):
    """A metric per layer: the mean of one number a routed token, or a share of its slots.

    `undefined` is the reason where the router does not show what is asked.
    """

    undefined: ClassVar[str]

    @abstractmethod
    def sums(self, seen: Routing) -> Sums:
        """Return `total` and `count` of what the mean is over, [prompt] or [prompt, expert]."""

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the total and the count of a layer."""
        return add(state, site, self.sums(seen)) if isinstance(seen, Routing) else state

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer."""
        yield from quotients(
            state, layout.experts, self.undefined, absent=NO_EXPERTS, known=layout.known.experts
        )


class MeanOverRows(Metric):
    """A metric per layer and head: the mean of one number a query row of the attention.

    A subclass says which rows count; `undefined` is the reason where a prompt has none.
    """

    undefined: ClassVar[str]

    @abstractmethod
    def sums(self, seen: AttentionRows) -> Sums:
        """Return `total` and `count` of the rows that count, each [prompt, head]."""

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the total and the count of a layer's heads."""
        if not isinstance(seen, AttentionRows):
            return state
        return add(state, site, self.sums(seen))

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, layer by layer and head by head."""
        yield from quotients(
            state,
            layout.attention,
            self.undefined,
            absent=NO_ATTENTION,
            known=layout.known.attention,
        )


def quotients(
    state: State,
    stacks: Iterable[Sequence[Site]],
    undefined: str,
    *,
    absent: Absent,
    known: frozenset[Site] = frozenset(),
) -> Iterator[Values]:
    """Yield `total / count` at each site; one value for all of a stack where nothing was seen.

    Args:
        state: with `total` and `count` at the sites that were seen.
        stacks: the sites, stack by stack.
        undefined: why a count may be zero.
        absent: why a site may not have been seen.
        known: sites where something should have been seen.
    """
    for sites in stacks:
        if not any(site in state or site in known for site in sites):
            yield Values(Site(sites[0].stack, None), None, absent.anywhere)
            continue
        for site in sites:
            if site not in state:
                yield Values(site, None, absent.unread if site in known else absent.here)
                continue
            sums = state[site]
            count = sums["count"]
            value = sums["total"] / count.clamp(min=1)
            # Undefined is NaN; a NaN that the model computed is another matter, kept as infinity.
            value = value.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=torch.inf)
            yield Values(site, value.masked_fill(count == 0, torch.nan), undefined)
