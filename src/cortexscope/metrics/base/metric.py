"""The contract of a metric: say what it is, take sums from what is seen, finish them.

A metric is one class in one file and one row in the table of `cortexscope.metrics`. It sets `spec`
and writes `update` and `compute`, both pure; what it must see it names in `spec.needs`. Most are
the mean of one number a token or a row: they inherit from a class of `_means` and write `value`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.interventions import Removed
from cortexscope.metrics.base.options import MetricOptions
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import Seen

__all__ = ["Known", "Layout", "Metric", "Seen", "Values", "sampled"]


@dataclass(frozen=True, slots=True)
class Known:
    """Sites that have a part by the model's structure, whether or not it showed anything."""

    attention: frozenset[Site] = frozenset()
    experts: frozenset[Site] = frozenset()
    neurons: frozenset[Site] = frozenset()
    mixers: frozenset[Site] = frozenset()


@dataclass(frozen=True, slots=True)
class Layout:
    """Which sites were passed, stack by stack, so that a metric can say where nothing was seen."""

    hidden: tuple[tuple[Site, ...], ...]
    """The embedding output and each block's output, of each stack."""
    blocks: tuple[tuple[Site, ...], ...]
    """Each block of each stack."""
    attention: tuple[tuple[Site, ...], ...]
    """Each block of each stack, cross-attention being a stack of its own."""
    final: tuple[Site, ...]
    """The output after the last norm, of each stack."""
    known: Known = field(default_factory=Known)
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why something could not be seen in this pass, by the need."""
    removed: tuple[Removed, ...] = ()
    """What a change has taken out of the model."""


@dataclass(frozen=True, slots=True)
class Values:
    """A metric's values at sites of one stack."""

    sites: tuple[Site, ...]
    """Their layer is None for a value of the whole stack."""
    values: Float[Tensor, "site prompt *part"] | None
    """Of each site and prompt, and of each head, and of each further part, where the metric has
    such axes. Float64; NaN where undefined. None where nothing was seen at all."""
    reason: str | None
    """Why values are undefined, None where none can be."""
    index: tuple[int, ...] | None = None
    """The index of each further part; 0, 1, 2, ... where None."""
    tokens: Float[Tensor, "#site #prompt *#part"] | None = None
    """How many tokens stand behind each value, with as many of its axes as they differ along; None
    where it is not known."""
    removed: Mapping[tuple[Site, int], str] = field(default_factory=dict)
    """Why the values of a head or an expert are undefined that a change has taken out."""


class Metric(ABC):
    """A quantity with a name, reduced while the model runs."""

    spec: ClassVar[MetricSpec]
    together: ClassVar[bool] = False
    """Whether layers may be shown as one that has as many times the prompts: true where all that it
    reads of what is seen are reductions of each prompt. Heeded in cortexscope's own metrics."""

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
        """Yield the values of all prompts, stack by stack.

        Of a metric whose unit is the task, the state holds the prompts of one task, in the order
        of their ids, and the values have a single prompt.
        """


def sampled(spec: MetricSpec, seen: Seen) -> Seen:
    """Return what a metric is shown: only the tokens that stand for their prompts, if it says so.

    Routing and attention rows are shown whole.
    """
    sample = getattr(seen, "sample", None) if spec.sampled else None
    return seen if sample is None else sample


def not_finite_as_infinity(values: Tensor) -> Tensor:
    """Return values with infinity for NaN, since NaN says that a value is undefined.

    A NaN that the model computed is another matter than one by definition.
    """
    return values.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=torch.inf)
