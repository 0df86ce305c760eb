"""How much of a head's attention lies on its three strongest keys."""

from torch import Tensor

from cortexscope.metrics import AttentionSample, MeanOverSampledRows, MetricSpec


class AttentionTop3Mass(MeanOverSampledRows):
    """Return the mean over query rows of the three largest probabilities' sum, per layer and head.

    Rows that see three keys or fewer give 1; even attention over n keys gives 3 / n.
    """

    spec = MetricSpec(
        name="attention_top3_mass",
        title="Attention on three keys",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.rows",),
        definition="Mean over query rows of the sum of the row's three largest probabilities.",
        source="an example of cortexscope",
        group="attention",
        cost="high",
        sampled=True,
    )

    def value(self, seen: AttentionSample) -> Tensor:
        """Return the sum of every row."""
        keys = seen.probabilities.shape[-1]
        # Rounding may take a sum above 1.
        return seen.probabilities.topk(min(3, keys)).values.sum(-1).clamp(max=1)
