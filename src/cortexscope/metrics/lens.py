"""The logit lens: how near each layer is to what the model predicts in the end."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cortexscope.metrics.base.means import quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.predicted import MeanOverLayerPredictions, why_unread
from cortexscope.metrics.base.states import State, add, total
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import LayerPredictions

__all__ = ["DecisionDepth", "LensAgreement", "LensEntropy", "LensKL", "LensRank"]

_SOURCE = "nostalgebraist 2020, interpreting GPT: the logit lens"


class LensEntropy(MeanOverLayerPredictions):
    """Return the entropy of the prediction that the model's head makes of a layer, in nats.

    A layer's state goes through the last norm and the head, as if no layer came after it; layer L
    is the model's own prediction. A certain one has 0, one that is even over V tokens has ln V.
    """

    spec = MetricSpec(
        name="lens_entropy",
        title="Logit-lens entropy",
        unit="nats",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("lens",),
        definition="Mean over tokens of the Shannon entropy of the distribution that the last norm "
        "and the head make of a layer's hidden state.",
        source=_SOURCE,
        group="depth",
        cost="high",
        sampled=True,
        version=2,
    )

    def value(self, seen: LayerPredictions) -> Tensor:
        """Return the entropy at each token."""
        return seen.entropy


class LensKL(MeanOverLayerPredictions):
    """Return the KL divergence of the final prediction from a layer's, in nats.

    sum_v p_v ln(p_v / q_v), p being the model's own prediction and q that which its last norm and
    head make of the layer. Layer L has 0. Where the model is certain of a token that the layer
    gives probability 1/2, it is ln 2.
    """

    spec = MetricSpec(
        name="lens_kl",
        title="KL to the final prediction",
        unit="nats",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("lens",),
        definition="Mean over tokens of the Kullback-Leibler divergence of the model's prediction "
        "from the distribution that the last norm and the head make of a layer's hidden state.",
        source="Belrose et al. 2023, Eliciting Latent Predictions (arXiv 2303.08112)",
        group="depth",
        cost="high",
        sampled=True,
        version=2,
    )

    def value(self, seen: LayerPredictions) -> Tensor:
        """Return the divergence at each token."""
        return seen.divergence


class LensRank(MeanOverLayerPredictions):
    """Return the mean place of the model's own first choice in a layer's prediction.

    1 where it is the layer's first choice too, as in layer L; V where it is the least likely of a
    vocabulary of V.
    """

    spec = MetricSpec(
        name="lens_rank",
        title="Rank of the final token",
        unit="1",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("lens",),
        definition="Mean over tokens of 1 plus the number of tokens whose logit, made by the last "
        "norm and the head of a layer's hidden state, is above that of the token which the model "
        "finally holds for the likeliest.",
        source="Geva et al. 2022, Transformer Feed-Forward Layers Build Predictions",
        group="depth",
        cost="high",
        sampled=True,
        version=2,
    )

    def value(self, seen: LayerPredictions) -> Tensor:
        """Return the rank at each token."""
        return seen.rank


class LensAgreement(MeanOverLayerPredictions):
    """Return the share of tokens at which a layer's first choice is the model's own.

    Layer L has 1; a layer whose first choice is the model's at one token of four has 0.25.
    """

    spec = MetricSpec(
        name="lens_agreement",
        title="Agreement with the final token",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("lens",),
        definition="Share of tokens at which the last norm and the head make the same "
        "first choice of a layer's hidden state as the model finally does.",
        source=_SOURCE,
        group="depth",
        cost="high",
        sampled=True,
        version=2,
    )

    def value(self, seen: LayerPredictions) -> Tensor:
        """Return 1 where the rank of the final token is 1, else 0."""
        return (2 - seen.rank).clamp(min=0)


class DecisionDepth(Metric):
    """Return the mean layer from which the model's first choice does not change any more.

    In layers: 0 where the embedding already gives the final first choice and every layer keeps
    it, L where it only comes with the last layer.
    """

    spec = MetricSpec(
        name="decision_depth",
        title="Decision depth",
        unit="layers",
        axes=(),
        bounds=(0.0, None),
        needs=("lens",),
        definition="Mean over tokens of the first layer from which on the first choice that the "
        "last norm and the head make of the hidden state is the model's final one.",
        source="cortexscope, after nostalgebraist 2020",
        group="depth",
        cost="high",
        sampled=True,
        version=2,
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add 1 for each token that is not decided in a layer; their number is the depth."""
        if not isinstance(seen, LayerPredictions):
            return state
        layers = total(seen.undecided, seen.tokens)
        tokens = seen.tokens.sum(-1).double()
        count = tokens if site.layer == 0 else torch.zeros_like(tokens)
        return add(state, Site.whole(site.stack), {"total": layers, "count": count})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide by the number of tokens."""
        absent = why_unread(self.spec, layout)
        yield from quotients(state, (layout.final[-1:],), "no tokens", absent=absent)
