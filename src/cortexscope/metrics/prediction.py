"""What a language model makes of the next token: how surprising it is, how sure the model is."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values, not_finite_as_infinity
from cortexscope.metrics.base.predicted import MeanOverPredictions, why_unread
from cortexscope.metrics.base.states import State, add, total
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import Predictions, Text

__all__ = ["BitsPerByte", "Surprisal", "TokenEntropy", "TopMargin", "TopProbability"]

_ONE = "it has one token, and none is predicted"
_NO_TEXT = "only tokens were given, and the text that they stand for is not known"


class Surprisal(MeanOverPredictions):
    """Return the mean of -ln p(next token | tokens so far), in nats.

    Over the tokens that have a next one in the prompt. A model that gives every next token
    probability 1 has 0; one that gives all of 50,000 tokens the same has ln 50,000 = 10.8. It
    depends on the tokenizer: compare models by bits_per_byte.
    """

    undefined = _ONE
    spec = MetricSpec(
        name="surprisal",
        title="Surprisal",
        unit="nats",
        axes=(),
        bounds=(0.0, None),
        needs=("predictions.next",),
        definition="Mean over the tokens that have a next one of -ln of the probability "
        "that the model gives to that one.",
        source="Hale 2001, A Probabilistic Earley Parser as a Psycholinguistic Model",
        group="prediction",
        cost="high",
        version=2,
    )

    def value(self, seen: Predictions) -> Tensor | None:
        """Return the surprisal of the token after each one."""
        return seen.surprisal

    def keep(self, seen: Predictions) -> Tensor:
        """Return which tokens have a next one."""
        return seen.followed


class BitsPerByte(Metric):
    """Return the bits of information in the text by the model, per byte of it.

    (sum of surprisals) / (ln 2 * bytes), over the tokens after the first and the bytes in UTF-8
    that they stand for. A token that ends within a character stands for that part of its bytes.
    Tokens of 4 bytes with surprisal ln 2 give 0.25; bytes as tokens, each of 256 equally likely,
    give 8.

    Not the `bits_per_byte` of lm-evaluation-harness (`loglikelihood_rolling`), which puts an end-
    of-text token before the text, so that its first token is predicted and all its bytes count,
    parts a long text into windows, and divides the sum over all texts by the sum of their bytes.
    Here a text is read as the model's tokenizer gives it: the first token is predicted from a first
    special token where there is one, and otherwise counts on neither side.
    """

    spec = MetricSpec(
        name="bits_per_byte",
        title="Bits per byte",
        unit="bits",
        axes=(),
        bounds=(0.0, None),
        needs=("predictions.next", "text"),
        definition="Sum of the surprisals of the predicted tokens, divided by ln 2 and by the "
        "bytes of text (UTF-8) that these tokens stand for.",
        source="Gao et al. 2020, The Pile (arXiv 2101.00027), section 3.1",
        group="prediction",
        cost="high",
        version=3,
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add surprisals and their number, or the bytes."""
        if isinstance(seen, Text):
            bytes_ = seen.sizes.double()
            zero = torch.zeros_like(bytes_)
            sums = {"total": zero, "count": zero}
            return add(state, site, {**sums, "bytes": bytes_, "texts": zero + 1})
        if not isinstance(seen, Predictions) or seen.surprisal is None:
            return state
        kept = seen.tokens & seen.followed
        sums = {"total": total(seen.surprisal, kept), "count": kept.sum(-1).double()}
        zero = torch.zeros_like(sums["total"])
        return add(state, site, {**sums, "bytes": zero, "texts": zero})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide by the bytes."""
        site = layout.final[-1]
        sums = state.get(site)
        if sums is None or any(need in layout.unread for need in self.spec.needs):
            yield Values((site,), None, why_unread(self.spec, layout).anywhere)
            return
        if not bool(sums["texts"].all()):
            yield Values((site,), None, _NO_TEXT)
            return
        bits = not_finite_as_infinity(sums["total"] / math.log(2) / sums["bytes"].clamp(min=1))
        undefined = (sums["count"] == 0) | (sums["bytes"] == 0)
        bits = bits.masked_fill(undefined, torch.nan)[None]
        yield Values((site,), bits, _ONE, tokens=sums["count"][None])


class TokenEntropy(MeanOverPredictions):
    """Return the mean Shannon entropy of the next token's distribution, in nats.

    -sum_v p_v ln p_v over the vocabulary. A certain prediction has 0, one that is even over V
    tokens has ln V.
    """

    spec = MetricSpec(
        name="token_entropy",
        title="Token entropy",
        unit="nats",
        axes=(),
        bounds=(0.0, None),
        needs=("predictions",),
        definition="Mean over tokens of the Shannon entropy of the model's "
        "distribution of the next token.",
        source="Shannon 1951, Prediction and Entropy of Printed English",
        group="prediction",
        cost="high",
        version=2,
    )

    def value(self, seen: Predictions) -> Tensor:
        """Return the entropy at each token."""
        return seen.entropy


class TopProbability(MeanOverPredictions):
    """Return the mean probability of the likeliest next token.

    A certain prediction has 1, one that is even over V tokens has 1 / V.
    """

    spec = MetricSpec(
        name="top_probability",
        title="Top-1 probability",
        unit="probability",
        axes=(),
        bounds=(0.0, 1.0),
        needs=("predictions",),
        definition="Mean over tokens of the largest probability in the model's "
        "distribution of the next token.",
        source="Hendrycks & Gimpel 2017, A Baseline for Detecting Misclassified Examples",
        group="prediction",
        cost="high",
        version=2,
    )

    def value(self, seen: Predictions) -> Tensor:
        """Return the largest probability at each token."""
        return seen.largest


class TopMargin(MeanOverPredictions):
    """Return the mean of how much likelier the first choice is than the second.

    A difference of probabilities, p_(1) - p_(2): a certain prediction has 1, two tokens that are
    equally likely and the likeliest give 0.
    """

    spec = MetricSpec(
        name="top_margin",
        title="Margin of the first choice",
        unit="probability",
        axes=(),
        bounds=(0.0, 1.0),
        needs=("predictions",),
        definition="Mean over tokens of the difference between the two largest "
        "probabilities in the model's distribution of the next token.",
        source="Scheffer et al. 2001, Active Hidden Markov Models for Information Extraction",
        group="prediction",
        cost="high",
        version=2,
    )

    def value(self, seen: Predictions) -> Tensor:
        """Return the margin at each token."""
        return seen.margin
