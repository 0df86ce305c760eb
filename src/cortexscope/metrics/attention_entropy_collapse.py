"""Which heads have collapsed: they put nearly all attention of every row on one key."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.attention import FlagOverRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionRows

__all__ = ["AttentionEntropyCollapse"]

_THRESHOLD = 0.1


class AttentionEntropyCollapse(FlagOverRows):
    """Return the flag of each head whose mean normalised entropy is below 0.1: 1, else 0.

    Per layer and head. The mean is over the rows that see two keys or more, as in
    attention_entropy_normalized. No threshold is published; 0.1 is our choice: a row over 100 keys
    is below it where its entropy is below 0.46 nats. Attention to one key gives 1, even attention
    0. The threshold is one share at all lengths, but a row that parks the same mass on one key at
    every length comes nearer to 0 the more keys it sees.
    """

    spec = MetricSpec(
        name="attention_entropy_collapse",
        title="Entropy collapse",
        unit="1",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.entropy",),
        definition="1 where the mean over query rows with at least two visible keys of H_i / ln n_i"
        " is below 0.1, else 0; the threshold is cortexscope's own.",
        source="after Zhai et al. 2023, Stabilizing transformer training by preventing attention "
        "entropy collapse",
        group="attention",
    )
    undefined = "no query row sees two keys"

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the normalised entropies of all rows."""
        return seen.normalized

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows that see two keys or more."""
        return seen.visible >= 2

    def holds(self, mean: Tensor) -> Tensor:
        """Return where the mean is below the threshold."""
        return mean < _THRESHOLD
