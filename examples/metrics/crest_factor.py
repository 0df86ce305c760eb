"""How far the largest entry of a hidden state stands out of the others."""

from torch import Tensor

from cortexscope.metrics import HiddenStates, MeanOverStates, MetricSpec


class CrestFactor(MeanOverStates):
    """Return the mean over tokens of max |h| / rms(h), per layer 0..L.

    States whose entries are all of one size give 1; a single entry among d that is not zero gives
    sqrt(d). States of zeros have none.
    """

    spec = MetricSpec(
        name="crest_factor",
        title="Crest factor",
        unit="1",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="Mean over tokens of the largest |h| over the root mean square of the state.",
        source="signal processing: peak over effective value",
        group="magnitude",
    )
    undefined = "all states are zero"

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the ratio of every token."""
        # Rounding may take even states below 1.
        return (seen.largest / seen.norms * seen.width**0.5).clamp(min=1)

    def keep(self, seen: HiddenStates) -> Tensor:
        """Keep the tokens whose state is not zero."""
        return seen.norms > 0
