"""How well a masked model predicts the tokens of a text from all the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from cortexscope.metrics.base.means import Mean, quotients
from cortexscope.metrics.base.metric import Layout, Seen, Values
from cortexscope.metrics.base.predicted import why_unread
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import MaskedPredictions, MaskedWordPredictions

__all__ = ["PseudoLogLikelihood", "PseudoLogLikelihoodWithinWord"]


class PseudoLogLikelihood(Mean[MaskedPredictions]):
    """Return the mean of ln p(token | all other tokens), in nats, of a masked language model.

    Each token but special ones is hidden in a pass of its own, so that n tokens take n passes. A
    model that always finds the hidden token has 0; one that gives it probability 1/2 has -ln 2. A
    token of a longer word is told by the tokens after it, so that rare words of many tokens come
    out as likely: pseudo_log_likelihood_within_word hides those.
    """

    undefined = "all of its tokens are special ones"
    spec = MetricSpec(
        name="pseudo_log_likelihood",
        title="Pseudo-log-likelihood",
        unit="nats",
        axes=(),
        bounds=(None, 0.0),
        needs=("masked",),
        definition="Mean over tokens, special ones left out, of ln of the probability that a "
        "masked model gives to the token while it is hidden.",
        source="Salazar et al. 2020, Masked Language Model Scoring (arXiv 1910.14659)",
        group="prediction",
        cost="high",
    )

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take predictions of hidden tokens."""
        return type(seen) is MaskedPredictions

    def value(self, seen: MaskedPredictions) -> Tensor:
        """Return the log-probability of each token."""
        return -seen.surprisal

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide by the number of tokens."""
        absent = why_unread(self.spec, layout)
        yield from quotients(state, (layout.final[-1:],), self.undefined, absent=absent)


class PseudoLogLikelihoodWithinWord(PseudoLogLikelihood):
    """Return the mean of ln p(token | other words, its word so far), in nats, of a masked model.

    As pseudo_log_likelihood, with the later tokens of the same word hidden too (within-word left
    to right), so that a word of many tokens is not told by its own end. Words are those that the
    tokenizer parts a text into before it cuts them; where each has one token, both are the same.
    A model that always finds the hidden token has 0; one that gives it probability 1/2 has -ln 2.
    """

    spec = replace(
        PseudoLogLikelihood.spec,
        name="pseudo_log_likelihood_within_word",
        title="Pseudo-log-likelihood within words",
        needs=("masked.word",),
        definition="Mean over tokens, special ones left out, of ln of the probability that a "
        "masked model gives to the token while it and the later tokens of its word are hidden.",
        source="Kauf & Ivanova 2023, A better way to do masked language model scoring "
        "(arXiv 2305.10588)",
    )

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take predictions of tokens that were hidden with the rest of their words."""
        return type(seen) is MaskedWordPredictions
