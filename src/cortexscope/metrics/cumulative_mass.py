"""How much of the mass the largest entries hold: of hidden states, and of an MLP's neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.metric import Layout, Values
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["CumulativeMass", "NeuronCumulativeMass"]

_SHARES = (1, 2, 5, 10, 20, 50)
"""In per cent of the features."""


class _Cumulative:
    undefined = "every token's entries are all 0"
    together = False
    # The shares are summed apart as heads are.
    per_head = True

    def value(self, seen: HiddenStates) -> Tensor:
        """Return what the largest entries of each token hold, [prompt, share, token]."""
        held = seen.sorted.flip(-1).cumsum(-1, dtype=torch.float64)
        places = [-(-share * seen.width // 100) - 1 for share in _SHARES]
        return (held[..., places] / held[..., -1:]).movedim(-1, 1)

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt *head token"]:
        """Leave out tokens whose entries are all 0."""
        return (seen.norms != 0).unsqueeze(1)


def _numbered(every: Iterator[Values]) -> Iterator[Values]:
    for values in every:
        yield replace(values, index=None if values.values is None else _SHARES)


class CumulativeMass(_Cumulative, MeanOverStates):
    """Return the mean share of a token's l1 norm in the top 1 to 50 % of features, per layer 0..L.

    The sum of the ceil(p n / 100) largest |h| over the sum of all n, for p = 1, 2, 5, 10, 20 and
    50. A pure number: p / 100 where all have the same size and p n / 100 is whole; 1 for every p
    where one alone is not 0. Gaussian states have 0.036, 0.067, 0.147, 0.259, 0.440 and 0.797.
    Tokens whose state is 0 are left out.
    """

    spec = MetricSpec(
        name="cumulative_mass",
        title="Mass held by the largest features",
        unit="share",
        axes=("layer", "share"),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Mean over tokens of the sum of the largest 1, 2, 5, 10, 20 or 50 % of the "
        "features' |h|, rounded up to whole features, over the sum of all, before the final norm; "
        "the share of features in % is the index.",
        source="cortexscope; a point of the Lorenz curve, read from the top",
        group="sparsity",
        cost="high",
        sampled=True,
    )

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Number the values by share."""
        yield from _numbered(super().compute(state, layout))


class NeuronCumulativeMass(_Cumulative, MeanOverNeurons):
    """Return the mean share of the l1 norm in the top 1 to 50 % of neurons, per layer 1..L.

    As `cumulative_mass`, of the |a| that the down projection reads: 1 for every p where one neuron
    alone is not 0. Tokens at which all are 0 are left out.
    """

    spec = of_neurons(
        CumulativeMass.spec,
        "neuron_cumulative_mass",
        title="Mass held by the largest neurons",
        definition="Mean over tokens of the sum of the largest 1, 2, 5, 10, 20 or 50 % of the |a| "
        "of an MLP's neurons, rounded up to whole neurons, over the sum of all, in what the down "
        "projection reads; the share of neurons in % is the index.",
    )

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Number the values by share."""
        yield from _numbered(super().compute(state, layout))
