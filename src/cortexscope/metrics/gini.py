"""The Gini index of sizes: of hidden states, and of an MLP's neurons."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["Gini", "NeuronGini"]


class _Gini:
    undefined = "every token's entries are all 0"
    together = False

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the index of each token."""
        sizes = seen.sorted.double()
        width = seen.width
        ranks = torch.arange(1, width + 1, dtype=torch.float64, device=sizes.device)
        weighted = (sizes * (2 * ranks - width - 1)).sum(-1)
        return (weighted / (width * sizes.sum(-1))).clamp(0, 1)

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens whose entries are all 0."""
        return seen.norms != 0


class Gini(_Gini, MeanOverStates):
    """Return the mean Gini index of the sizes of a token's features, per layer 0..L.

    sum over k of (2 k - n - 1) x_k / (n sum of x), where x_1 <= ... <= x_n are the |h| of a token.
    A pure number: 0 where all have the same size, 1 - 1 / n where one alone is not 0; Gaussian
    states have sqrt(2) - 1 = 0.414 as n grows. Tokens whose state is 0 are left out.
    """

    spec = MetricSpec(
        name="gini",
        title="Gini index of sizes",
        unit="1",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Mean over tokens of the sum over k of (2 k - n - 1) x_k, divided by n times "
        "the sum of x, where x are the n features' |h| in ascending order, before the final norm.",
        source="Hurley & Rickard 2009, Comparing measures of sparsity",
        group="sparsity",
        cost="high",
        sampled=True,
    )


class NeuronGini(_Gini, MeanOverNeurons):
    """Return the mean Gini index of the sizes of an MLP's neurons, per layer 1..L.

    As `gini`, of the |a| that the down projection reads. A pure number: 0 where all have the same
    size, 1 - 1 / n where one of n neurons alone is not 0. Tokens at which all are 0 are left out.
    """

    spec = of_neurons(
        Gini.spec,
        "neuron_gini",
        title="Gini index of neurons",
        definition="Mean over tokens of the sum over k of (2 k - n - 1) x_k, divided by n times "
        "the sum of x, where x are the |a| of the MLP's n neurons in ascending order, in what the "
        "down projection reads.",
    )
