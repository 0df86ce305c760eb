"""How widely each head spreads its attention: entropy of rows, plain and normalised."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionRows

__all__ = ["AttentionEntropy", "AttentionEntropyNormalized"]


class AttentionEntropy(MeanOverRows):
    """Return the mean over query rows of the row's Shannon entropy in nats, per layer and head.

    A row that attends to one key has entropy 0; one that spreads evenly over n visible keys has
    ln n. Longer prompts let it grow.
    """

    spec = MetricSpec(
        name="attention_entropy",
        title="Attention entropy",
        unit="nats",
        axes=("layer", "head"),
        bounds=(0.0, None),
        needs=("attention.entropy",),
        definition="Mean over query rows of the Shannon entropy of the row's attention.",
        source="Clark et al. 2019, What does BERT look at?",
        group="attention",
    )

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the entropies of all rows."""
        return seen.of("entropy")


class AttentionEntropyNormalized(MeanOverRows):
    """Return the mean of each row's entropy over its ceiling ln n_i, per layer and head.

    n_i is the number of keys that row i can see; rows that see one key have no ceiling and do not
    count. Even attention gives 1 at any length, attention to one key 0.
    """

    spec = MetricSpec(
        name="attention_entropy_normalized",
        title="Normalised attention entropy",
        unit="share of ln n",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.entropy",),
        definition="Mean over query rows with at least two visible keys of H_i / ln n_i.",
        source="after Oh & Schuler 2022, Entropy- and distance-based predictors from GPT-2",
        group="attention",
    )
    undefined = "no query row sees two keys"

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the ratios of all rows."""
        return seen.normalized

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows that see two keys or more."""
        return seen.visible >= 2
