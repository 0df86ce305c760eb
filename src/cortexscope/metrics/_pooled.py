"""Metrics of a whole task: they need the states of many prompts side by side.

Of each prompt and layer one vector is kept. Prompts can then be measured in any order and any
batches, and a task's value never depends on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from cortexscope.metrics._metric import Metric, Seen
from cortexscope.metrics._states import State
from cortexscope.records import Site
from cortexscope.taps import HiddenStates

__all__ = ["MEAN_STATE", "UNIT_SUM", "OverPrompts", "Pool"]


class Pool(NamedTuple):
    """What is kept of each prompt in each layer."""

    name: str
    """What the vectors are called in a run folder."""
    vectors: Callable[[HiddenStates], Tensor]
    """Gives one vector a prompt, [prompt, feature] in float32, and the number of tokens in it."""


def _mean_state(seen: HiddenStates) -> Tensor:
    kept = seen.rest | (seen.tokens & (seen.positions.counts == 1)[:, None])
    sums = torch.where(kept[..., None], seen.values, 0).sum(1, dtype=torch.float64)
    return (sums / kept.sum(-1, keepdim=True)).float()


def _unit_sum(seen: HiddenStates) -> Tensor:
    scaled = torch.where(seen.tokens, 1 / seen.norms, 0)
    values = torch.where(seen.tokens[..., None], seen.values, 0)
    return torch.bmm(scaled[:, None], values)[:, 0].float()


MEAN_STATE = Pool("mean_state", _mean_state)
"""The mean state of the tokens after the first, or of the only one."""

UNIT_SUM = Pool("unit_sum", _unit_sum)
"""The sum of the tokens' states, each scaled to length 1."""


class OverPrompts(Metric):
    """A metric per task, computed of one vector a prompt and layer.

    `pool` says which vector; in `compute` the state has it as `vector`, [prompt, feature] in
    float32, and the prompt's tokens as `count`.
    """

    pool: ClassVar[Pool]

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Keep the prompts' vectors of a layer."""
        if type(seen) is not HiddenStates or site.layer is None:
            return state
        vector = self.pool.vectors(seen)
        return {**state, site: {"vector": vector, "count": seen.positions.counts.double()}}
