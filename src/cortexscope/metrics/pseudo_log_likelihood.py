"""How well a masked model predicts the tokens of a text from all the others."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from cortexscope.metrics._means import Mean, quotients
from cortexscope.metrics._metric import Layout, Seen, Values
from cortexscope.metrics._predicted import why_unread
from cortexscope.metrics._states import State
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import MaskedPredictions

__all__ = ["PseudoLogLikelihood"]


class PseudoLogLikelihood(Mean[MaskedPredictions]):
    """Return the mean of ln p(token | all other tokens), in nats, of a masked language model.

    Each token but special ones is hidden in a pass of its own, so that n tokens take n passes. A
    model that always finds the hidden token has 0; one that gives it probability 1/2 has -ln 2.
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
        return isinstance(seen, MaskedPredictions)

    def value(self, seen: MaskedPredictions) -> Tensor:
        """Return the log-probability of each token."""
        return -seen.surprisal

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide by the number of tokens."""
        absent = why_unread(self.spec, layout)
        yield from quotients(state, (layout.final[-1:],), self.undefined, absent=absent)
