"""Hoyer's measure of sparsity: of hidden states, and of an MLP's neurons."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["Hoyer", "NeuronHoyer"]


class _Hoyer:
    undefined = "every token's entries are all 0"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the sparsity of each token."""
        root: float = seen.width**0.5
        return ((root - seen.sizes / seen.norms) / (root - 1)).clamp(0, 1)

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens whose entries are all 0."""
        return seen.norms != 0


class Hoyer(_Hoyer, MeanOverStates):
    """Return the mean Hoyer sparsity of a token's state, per layer 0..L.

    (sqrt(n) - l1 / l2) / (sqrt(n) - 1) over n features. A pure number: 1 where one feature alone
    is not 0, 0 where all have the same size; Gaussian states have 1 - sqrt(2 / pi) = 0.202 as n
    grows. Tokens whose state is 0 are left out.
    """

    spec = MetricSpec(
        name="hoyer",
        title="Hoyer sparsity",
        unit="1",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Mean over tokens of (sqrt(n) - l1 / l2) / (sqrt(n) - 1) of the hidden state's "
        "n features, before the final norm.",
        source="Hoyer 2004, Non-negative matrix factorization with sparseness constraints",
        group="sparsity",
    )


class NeuronHoyer(_Hoyer, MeanOverNeurons):
    """Return the mean Hoyer sparsity of an MLP's neurons at a token, per layer 1..L.

    (sqrt(n) - l1 / l2) / (sqrt(n) - 1) over n neurons, of what the down projection reads. A pure
    number: 1 where one neuron alone is not 0, 0 where all have the same size. Tokens at which all
    are 0 are left out.
    """

    spec = of_neurons(
        Hoyer.spec,
        "neuron_hoyer",
        title="Hoyer sparsity of neurons",
        definition="Mean over tokens of (sqrt(n) - l1 / l2) / (sqrt(n) - 1) of the MLP's n "
        "neurons, in what the down projection reads.",
    )
