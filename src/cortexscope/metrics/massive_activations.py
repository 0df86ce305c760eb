"""How many entries of the hidden states are massive by the published rule, layer by layer."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.over_tokens import OverTokens
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["MassiveActivations"]

_LEAST = 100.0
_TIMES_MEDIAN = 1000.0


class MassiveActivations(OverTokens):
    """Return the number of massive activations of a prompt, per layer 0..L.

    An entry is massive if |h| > 100 and |h| > 1000 times the median |h| of the prompt's entries in
    the same layer. All entries are looked at; the median, the lower one of two, is that of the
    tokens that stand for the prompt. A count: with a median of 0.2, entries of 150 and 250 are one;
    with a median of 0.05 they are two; where no entry exceeds 100 there is none. A longer prompt
    has more entries that can be one; where only its first token's are, length does nothing.
    """

    together = True
    spec = MetricSpec(
        name="massive_activations",
        title="Massive activations",
        unit="entries",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Number of a prompt's hidden-state entries with |h| > 100 and |h| > 1000 times "
        "the median |h| of its sampled tokens in that layer, before the final norm.",
        source="Sun et al. 2024, Massive activations in large language models",
        group="magnitude",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the count of each prompt."""
        return seen.massive(_LEAST, _TIMES_MEDIAN)
