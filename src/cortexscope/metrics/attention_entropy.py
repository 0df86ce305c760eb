"""How widely each head spreads its attention: entropy of rows, plain and normalised."""

from __future__ import annotations

import torch

from cortexscope.metrics._metric import MeanOverRows
from cortexscope.metrics._states import Sums, total
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
    )
    undefined = "no tokens"

    def sums(self, seen: AttentionRows) -> Sums:
        """Sum the entropies of all rows."""
        assert seen.entropy is not None
        return {
            "total": total(seen.entropy, seen.tokens[:, None]),
            "count": seen.tokens.sum(-1, keepdim=True).double().expand(-1, seen.entropy.shape[1]),
        }


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
    )
    undefined = "no query row sees two keys"

    def sums(self, seen: AttentionRows) -> Sums:
        """Sum the ratios of the rows that see two keys or more."""
        assert seen.entropy is not None
        keep = seen.tokens[:, None] & (seen.visible >= 2)
        ceiling = seen.visible.clamp(min=2).double().log()
        return {
            "total": total(seen.entropy / ceiling, keep),
            "count": torch.broadcast_to(keep, seen.entropy.shape).sum(-1).double(),
        }
