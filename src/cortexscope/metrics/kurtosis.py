"""How heavy the tails of the hidden states are: over features, a whole prompt, or tokens."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.means import MeanOverStates
from cortexscope.metrics.base.over_tokens import OverTokens, where
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = ["KurtosisFeatures", "KurtosisPrompt", "KurtosisTokens"]

_CONSTANT = 1e-12
"""Below this share of the mean square, a variance is rounding: a millionth of the size."""


class KurtosisTokens(MeanOverStates):
    """Return the mean kurtosis of a token's features, per layer 0..L.

    m4 / m2^2 about the token's own mean, where m_k is the mean over features of the k-th power; 3
    is not taken off. A pure number: a Gaussian state has 3, one whose entries are 1 and -1 in equal
    number has 1. Tokens whose entries are all equal, to a millionth of their size, are left out.
    """

    undefined = "the entries of every token are all equal"
    spec = MetricSpec(
        name="kurtosis_tokens",
        title="Kurtosis over features",
        unit="1",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="Mean over tokens of m4 / m2^2 of the hidden state's entries over features (a "
        "Gaussian has 3), before the final norm.",
        source="Elhage et al. 2023, Privileged bases in the transformer residual stream",
        group="magnitude",
        sampled=True,
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the kurtosis of each token."""
        found = seen.moments
        return (seen.width * found.fourth / found.second.square()).clamp(min=1)

    def keep(self, seen: HiddenStates) -> Bool[Tensor, "prompt token"]:
        """Leave out tokens whose entries are all equal."""
        return ~(seen.moments.second <= _CONSTANT * seen.norms.square())


class KurtosisPrompt(OverTokens):
    """Return the kurtosis of all entries of a prompt's hidden states, per layer 0..L.

    m4 / m2^2 about the one mean over tokens and features; 3 is not taken off. A pure number:
    Gaussian states have 3; n entries of which one is not 0 have about n.
    """

    undefined = "the entries of all tokens are equal"
    spec = MetricSpec(
        name="kurtosis_prompt",
        title="Kurtosis over a prompt",
        unit="1",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="m4 / m2^2 of all entries of a prompt's hidden states, tokens and features "
        "together (a Gaussian has 3), before the final norm.",
        source="Bondarenko et al. 2023, Quantizable transformers",
        group="magnitude",
        cost="high",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the kurtosis of each prompt, put together from its tokens' moments."""
        tokens, width = seen.tokens, seen.width
        apart = seen.values - seen.moments.mean[..., None]
        cubes = (apart * apart * apart).sum(-1)
        mean, second, fourth, third = (
            torch.where(tokens, moment, 0).double() for moment in (*seen.moments, cubes)
        )
        entries = seen.positions.counts * width
        whole = mean.sum(-1) * width / entries
        shift = torch.where(tokens, mean - whole[:, None], 0)
        square = shift.square()
        m2 = (second + width * square).sum(-1)
        m4 = fourth + 4 * shift * third + 6 * square * second + width * square.square()
        size = m2 + entries * whole.square()
        return where(~(m2 <= _CONSTANT * size), (entries * m4.sum(-1) / m2.square()).clamp(min=1))


class KurtosisFeatures(OverTokens):
    """Return the mean kurtosis of a feature over a prompt's tokens, per layer 0..L.

    m4 / m2^2 about the feature's own mean over tokens; 3 is not taken off. A pure number: two
    tokens that differ give 1; n tokens of which one differs give n - 2 + 1 / (n - 1). Features
    whose values are all equal, to a millionth of their size, are left out.
    """

    undefined = "fewer than two tokens, or all tokens have the same state"
    spec = MetricSpec(
        name="kurtosis_features",
        title="Kurtosis over tokens",
        unit="1",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="Mean over features of m4 / m2^2 of the hidden state's entry over a prompt's "
        "tokens (a Gaussian has 3), before the final norm.",
        source="cortexscope",
        group="magnitude",
        cost="high",
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the mean kurtosis of each prompt's features."""
        tokens = seen.tokens[..., None]
        count = seen.positions.counts[:, None]
        values = torch.where(tokens, seen.values, 0).double()
        mean = values.sum(1) / count
        square = values.sub_(mean[:, None]).square_().mul_(tokens)
        second = square.sum(1)
        fourth = square.square_().sum(1)
        varies = ~(second <= _CONSTANT * (second + count * mean.square())) & (count > 1)
        found = torch.where(varies, count * fourth / second.square(), 0).sum(-1)
        return where(varies.any(-1), (found / varies.sum(-1)).clamp(min=1))
