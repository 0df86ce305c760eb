"""In how few entries most of the mass is: of hidden states, and of an MLP's neurons."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverNeurons, MeanOverStates
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["MassConcentration", "NeuronMassConcentration"]

_MASS = 0.9


class _Concentration:
    undefined = "every token's entries are all 0"
    together = False

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of each token's entries that carry the mass."""
        largest_first = seen.sorted.flip(-1).cumsum(-1, dtype=torch.float64)
        enough = _MASS * largest_first[..., -1:]
        fewest = torch.searchsorted(largest_first, enough) + 1
        return torch.where(enough.isfinite(), fewest / seen.width, torch.nan)[..., 0]

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens whose entries are all 0."""
        return seen.norms != 0


class MassConcentration(_Concentration, MeanOverStates):
    """Return the mean share of features that carry 90 % of a token's l1 norm, per layer 0..L.

    The fewest features, the largest first, whose |h| add up to 90 % or more, over the number of
    features. A pure number: 1 / n where one of n features alone is not 0; 0.9 where all have the
    same size; Gaussian states have 0.65. Tokens whose state is 0 are left out.
    """

    spec = MetricSpec(
        name="mass_concentration",
        title="Features that carry 90 % of the mass",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Mean over tokens of the share of features, the largest first, whose |h| add "
        "up to 90 % of the hidden state's l1 norm, before the final norm.",
        source="cortexscope",
        group="sparsity",
        cost="high",
        sampled=True,
    )


class NeuronMassConcentration(_Concentration, MeanOverNeurons):
    """Return the mean share of neurons that carry 90 % of the l1 norm of all, per layer 1..L.

    As `mass_concentration`, of what the down projection reads. A pure number: 1 / n where one of n
    neurons alone is not 0; 0.9 where all have the same size. Tokens at which all are 0 are left
    out.
    """

    spec = of_neurons(
        MassConcentration.spec,
        "neuron_mass_concentration",
        title="Neurons that carry 90 % of the mass",
        definition="Mean over tokens of the share of the MLP's neurons, the largest first, whose "
        "|a| add up to 90 % of the l1 norm of all, in what the down projection reads.",
    )
