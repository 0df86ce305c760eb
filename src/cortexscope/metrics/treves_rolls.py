"""Treves-Rolls sparseness, over features or over tokens: of hidden states, and of neurons."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.metrics.base.over_tokens import OverTokens, OverTokensOfNeurons, where
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = [
    "NeuronTrevesRollsLifetime",
    "NeuronTrevesRollsPopulation",
    "TrevesRollsLifetime",
    "TrevesRollsPopulation",
]

_SOURCE = "Treves & Rolls 1991; scaled to 0..1 as by Vinje & Gallant 2000; of sizes"


class _Population:
    undefined = "every token's entries are all 0"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the sparseness of each token."""
        activity = (seen.sizes / seen.norms).square() / seen.width
        return ((1 - activity) / (1 - 1 / seen.width)).clamp(0, 1)

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens whose entries are all 0."""
        return seen.norms != 0


class TrevesRollsPopulation(_Population, MeanOverStates):
    """Return the mean Treves-Rolls sparseness of a token's state over features, per layer 0..L.

    (1 - a) / (1 - 1 / n), where a = (mean |h|)^2 / mean h^2 over the n features of a token. A pure
    number: 1 where one feature alone is not 0, 0 where all have the same size; Gaussian states
    have 1 - 2 / pi = 0.363 as n grows. Tokens whose state is 0 are left out.
    """

    spec = MetricSpec(
        name="treves_rolls_population",
        title="Population sparseness",
        unit="1",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Mean over tokens of (1 - a) / (1 - 1 / n), where a = (mean |h|)^2 / mean h^2 "
        "over the n features of the hidden state, before the final norm.",
        source=_SOURCE,
        group="sparsity",
    )


class NeuronTrevesRollsPopulation(_Population, MeanOverNeurons):
    """Return the mean Treves-Rolls sparseness of a token over an MLP's neurons, per layer 1..L.

    As `treves_rolls_population`, of the |a| that the down projection reads. A pure number: 1 where
    one neuron alone is not 0, 0 where all have the same size. Tokens at which all are 0 are left
    out.
    """

    spec = of_neurons(
        TrevesRollsPopulation.spec,
        "neuron_treves_rolls_population",
        title="Population sparseness of neurons",
        definition="Mean over tokens of (1 - a) / (1 - 1 / n), where a = (mean |r|)^2 / mean r^2 "
        "over the MLP's n neurons r, in what the down projection reads.",
    )


class _Lifetime:
    undefined = "fewer than two tokens, or all entries are 0"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the mean sparseness of each prompt's features."""
        sizes = torch.where(seen.tokens[..., None], seen.values, 0).double().abs_()
        mass = sizes.sum(1)
        squares = sizes.square_().sum(1)
        alive = squares != 0
        number, count = alive.sum(-1), seen.positions.counts
        activity = torch.where(alive, mass.square_() / squares, 0).sum(-1) / (number * count)
        sparseness = (1 - activity) / (1 - 1 / count)
        return where((number > 0) & (count > 1), sparseness.clamp(0, 1))


class TrevesRollsLifetime(_Lifetime, OverTokens):
    """Return the mean Treves-Rolls sparseness of a feature over tokens, per layer 0..L.

    (1 - a) / (1 - 1 / m), where a = (mean |h|)^2 / mean h^2 over the m tokens of a prompt that are
    looked at. A pure number: 1 where each feature is not 0 at one token alone, 0 where it always
    has the same size. Features that are always 0 are left out. Tokens that are rare and loud are
    missed in a sample: prompts compare where m is the same, 32 in a sample.
    """

    spec = MetricSpec(
        name="treves_rolls_lifetime",
        title="Lifetime sparseness",
        unit="1",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Mean over features of (1 - a) / (1 - 1 / m), where a = (mean |h|)^2 / mean h^2 "
        "over the m tokens of a prompt looked at, before the final norm.",
        source=_SOURCE,
        group="sparsity",
        cost="high",
        sampled=True,
    )


class NeuronTrevesRollsLifetime(_Lifetime, OverTokensOfNeurons):
    """Return the mean Treves-Rolls sparseness of an MLP's neuron over tokens, per layer 1..L.

    As `treves_rolls_lifetime`, of the |a| that the down projection reads. A pure number: 1 where
    each neuron is not 0 at one token alone, 0 where it always has the same size. Neurons that are
    always 0 are left out.
    """

    spec = of_neurons(
        TrevesRollsLifetime.spec,
        "neuron_treves_rolls_lifetime",
        title="Lifetime sparseness of neurons",
        definition="Mean over the MLP's neurons r of (1 - a) / (1 - 1 / m), where a = (mean |r|)^2 "
        "/ mean r^2 over the m tokens of a prompt looked at, in what the down projection reads.",
    )
