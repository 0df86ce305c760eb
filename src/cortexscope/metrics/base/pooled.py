"""Metrics of a whole task: they need the states of many prompts side by side.

Of each prompt and layer one vector is kept. Prompts can then be measured in any order and any
batches, and a task's value never depends on them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import HiddenStates, Neurons

__all__ = [
    "MEAN_NEURON",
    "MEAN_STATE",
    "UNIT_SUM",
    "UNIT_SUM_REST",
    "MeanNeurons",
    "MeanStates",
    "OverPrompts",
    "OverPromptsOfLayer",
    "Pool",
]


class Pool(NamedTuple):
    """What is kept of each prompt in each layer: a weighted sum of its tokens' states."""

    name: str
    """What the vectors are called in a run folder."""
    weights: Callable[[HiddenStates], Float[Tensor, "prompt token"]]
    """Gives the weight of each token, 0 for those that do not count."""
    of: type[HiddenStates] = HiddenStates
    """Whether it is made of hidden states or of neurons."""


def _mean_weights(seen: HiddenStates) -> Tensor:
    kept = seen.rest | (seen.tokens & (seen.positions.counts == 1)[:, None])
    weights = 1 / kept.sum(-1, keepdim=True)
    return torch.where(kept, torch.where(seen.norms.isfinite(), weights, torch.nan), 0)


def _unit_weights(seen: HiddenStates) -> Tensor:
    return seen.unit_weights


def _unit_weights_of_rest(seen: HiddenStates) -> Tensor:
    return torch.where(seen.rest, seen.unit_weights, 0)


MEAN_STATE = Pool("mean_state", _mean_weights)
"""The mean state of the tokens after the first, or of the only one."""

MEAN_NEURON = Pool("mean_neuron", _mean_weights, of=Neurons)
"""The same of the activations of each MLP's neurons."""

UNIT_SUM = Pool("unit_sum", _unit_weights)
"""The sum of the tokens' states, each scaled to length 1."""

UNIT_SUM_REST = Pool("unit_sum_rest", _unit_weights_of_rest)
"""The same without each prompt's first token."""


class OverPrompts(Metric):
    """A metric per task, computed of one vector a prompt and layer.

    `pool` says which vector; in `compute` the state has it as `vector`, [prompt, feature] in
    float32, and how many tokens are in it as `count`.
    """

    pool: ClassVar[Pool]

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Keep the prompts' vectors of a layer."""
        if type(seen) is not self.pool.of or site.layer is None:
            return state
        weights = self.pool.weights(seen)
        vector = seen.weighted(weights).float()
        return {**state, site: {"vector": vector, "count": (weights != 0).sum(-1).double()}}


class _Kept(OverPrompts):
    """One that keeps its vectors and measures nothing of them."""

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Yield nothing."""
        return iter(())


class MeanStates(_Kept):
    """Keeps each prompt's mean state of each layer."""

    spec = MetricSpec(
        name="mean_states",
        title="Mean states",
        unit="1",
        axes=("layer",),
        bounds=(None, None),
        needs=("hidden",),
        definition="Mean hidden state of the tokens after the first, before the final norm.",
        source="cortexscope",
        group="geometry",
        replication="task",
    )
    pool = MEAN_STATE


class MeanNeurons(_Kept):
    """Keeps each prompt's mean activation of each MLP's neurons."""

    spec = MetricSpec(
        name="mean_neurons",
        title="Mean neurons",
        unit="1",
        axes=("layer",),
        bounds=(None, None),
        needs=("neurons",),
        definition="Mean of what the MLP's down projection reads, over the tokens after the first.",
        source="cortexscope",
        group="sparsity",
        replication="task",
    )
    pool = MEAN_NEURON


class OverPromptsOfLayer(OverPrompts):
    """One that has a number a layer.

    `undefined` is the reason where a task has none.
    """

    undefined: ClassVar[str]

    @abstractmethod
    def value(
        self, vectors: Float[Tensor, "prompt feature"], counts: Float[Tensor, " prompt"]
    ) -> float:
        """Return the number: NaN where undefined, infinite where vectors are not finite.

        Args:
            vectors: of the prompts in a layer, in float64.
            counts: how many tokens are in each.
        """

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Return the number of each layer."""
        for sites in layout.hidden:
            found = [self.value(state[s]["vector"].double(), state[s]["count"]) for s in sites]
            values = torch.tensor(found, dtype=torch.float64)[:, None]
            tokens = torch.stack([self.chosen(state[s]["count"]).sum() for s in sites])[:, None]
            yield Values(sites, values, self.undefined, tokens=tokens)

    def chosen(self, rows: Tensor) -> Tensor:
        """Return the rows of the prompts that are looked at, [prompt, ...]."""
        return rows
