"""Share of entries that are exactly 0: of hidden states, and of an MLP's neurons."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["ExactZeros", "NeuronExactZeros"]


class _Zeros:
    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of zeros of each token."""
        return seen.zeros.double() / seen.width


class ExactZeros(_Zeros, MeanOverStates):
    """Return the share of hidden-state entries that are exactly 0, per layer 0..L.

    A state of zeros has share 1; Gaussian states have 0.
    """

    spec = MetricSpec(
        name="exact_zeros",
        title="Exact zeros",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Share of hidden-state entries that are exactly 0, over tokens and features, "
        "before the final norm.",
        source="Li et al. 2023, The lazy neuron phenomenon",
        group="sparsity",
    )


class NeuronExactZeros(_Zeros, MeanOverNeurons):
    """Return the share of an MLP's neurons that are exactly 0, per layer 1..L.

    a is what the down projection reads, with a gate the product of gate and value. ReLU of standard
    normal inputs has share 0.5; a smooth activation such as GELU has about 0.
    """

    spec = of_neurons(
        ExactZeros.spec,
        "neuron_exact_zeros",
        title="Neurons at exactly zero",
        definition="Share of the MLP's neurons that are exactly 0, over tokens and neurons, in "
        "what the down projection reads.",
        cost="high",
    )
