"""Share of entries that are close to zero: of hidden states, and of an MLP's neurons."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["NearZeroFraction", "NearZeroRelative", "NeuronNearZero"]


class NearZeroFraction(MeanOverStates):
    """Return the share of entries with |h| below the threshold, per layer 0..L.

    A state of zeros has share 1; standard normal entries have share 0.008 at threshold 0.01. The
    threshold is absolute, so that models of different scale cannot be compared by it.
    """

    spec = MetricSpec(
        name="near_zero_fraction",
        title="Near-zero entries",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Share of hidden-state entries with |h| < 0.01 (the threshold is an option), "
        "over tokens and features, before the final norm.",
        source="cortexscope; the reading of the published study's sparsity that fits its figures",
        group="sparsity",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of near-zero entries of each token."""
        return seen.near_zero(self.options.near_zero).double() / seen.width


class NearZeroRelative(MeanOverStates):
    """Return the share of entries that are small for their token, per layer 0..L.

    Those with |h| < 0.1 times the root mean square of the token's state, so that the share does not
    depend on the scale of the model. Standard normal entries have share 0.080; a state of all ones
    has 0. In a state of zeros no entry is below its scale, and the share is 0 too.
    """

    spec = MetricSpec(
        name="near_zero_relative",
        title="Entries small for their token",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Share of hidden-state entries with |h| < 0.1 times the root mean square of the "
        "token's state, over tokens and features, before the final norm.",
        source="cortexscope",
        group="sparsity",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of small entries of each token."""
        return seen.near_zero_relative(0.1).double() / seen.width


class NeuronNearZero(MeanOverNeurons):
    """Return the share of an MLP's neurons with |a| below the threshold, per layer 1..L.

    a is what the down projection reads, with a gate the product of gate and value. Neurons of zeros
    have share 1; standard normal ones have share 0.008 at threshold 0.01. The threshold is
    absolute, the same as for hidden states.
    """

    spec = of_neurons(
        NearZeroFraction.spec,
        "neuron_near_zero",
        title="Near-zero neurons",
        definition="Share of the MLP's neurons with |a| < 0.01 (the threshold is an option), over "
        "tokens and neurons, where a is what the down projection reads.",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of near-zero neurons of each token."""
        return seen.near_zero(self.options.near_zero).double() / seen.width
