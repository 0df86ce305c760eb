"""How many directions the states of a prompt fill, layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor

from cortexscope.metrics.base.over_tokens import OverTokens, where
from cortexscope.records import MetricSpec
from cortexscope.taps import HiddenStates

__all__ = [
    "EffectiveRank",
    "MatrixEntropy",
    "ParticipationRatio",
    "RankMe",
    "TopComponentShare",
]

_ALIKE = "fewer than three tokens, or all have one state"
_ZERO = "fewer than two tokens, or all states are zero"


class ParticipationRatio(OverTokens):
    """Return the number of directions that the variance of a prompt's states fills, per layer 0..L.

    (sum of v)^2 / (sum of v^2) over the eigenvalues v of the covariance of the states. States on a
    line give 1; the same variance along k axes gives k. It cannot exceed m - 1 for the m tokens
    that are looked at, 31 with a sample of 32, so that prompts of fewer tokens have lower values.
    (It less 1, divided by the number of features less 1, is IsoScore.)
    """

    spec = MetricSpec(
        name="participation_ratio",
        title="Participation ratio",
        unit="directions",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="Squared sum of the eigenvalues of the covariance of a prompt's hidden states, "
        "over the sum of their squares, before the final norm; at most the number of tokens looked "
        "at, less 1.",
        source="Gao et al. 2017, A theory of multineuronal dimensionality, dynamics and "
        "measurement",
        group="geometry",
        cost="high",
        sampled=True,
    )
    undefined = _ALIKE

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the ratio of each prompt."""
        values = seen.spectra.centred
        ratio = values.sum(-1).square() / values.square().sum(-1)
        return where(_at_least(3, seen, values), ratio.clamp(min=1))


class TopComponentShare(OverTokens):
    """Return the share of the variance that lies along the first principal axis, per layer 0..L.

    The largest eigenvalue of the covariance of a prompt's states over the sum of all. States on a
    line give 1; the same variance along k axes gives 1/k. It is at least 1 / (m - 1) for the m
    tokens that are looked at, and higher the fewer they are.
    """

    spec = MetricSpec(
        name="top_component_share",
        title="Share of the first component",
        unit="share",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Largest eigenvalue of the covariance of a prompt's hidden states, over the sum "
        "of its eigenvalues, before the final norm; at least 1 over the number of tokens looked "
        "at, less 1.",
        source="Ethayarajh 2019, How contextual are contextualized word representations?",
        group="geometry",
        cost="high",
        sampled=True,
    )
    undefined = _ALIKE

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the share of each prompt."""
        values = seen.spectra.centred
        return where(_at_least(3, seen, values), values[:, 0] / values.sum(-1))


class EffectiveRank(OverTokens):
    """Return the effective rank of the matrix of a prompt's states, per layer 0..L.

    exp of the entropy of the singular values divided by their sum; the states are not centred. A
    matrix whose rows are multiples of one state gives 1; k equal singular values give k. It cannot
    exceed the number of tokens that are looked at, 32 in a sample.
    """

    spec = MetricSpec(
        name="effective_rank",
        title="Effective rank",
        unit="directions",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="Exponential of the Shannon entropy of the normalised singular values of the "
        "matrix of a prompt's hidden states, not centred, before the final norm; at most the "
        "number of tokens looked at.",
        source="Roy & Vetterli 2007, The effective rank: a measure of effective dimensionality",
        group="geometry",
        cost="high",
        sampled=True,
    )
    undefined = _ZERO

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the rank of each prompt."""
        values = seen.spectra.plain
        rank = torch.special.entr(_shares(values)).sum(-1).exp()
        return where(_at_least(2, seen, values), rank.clamp(min=1))


class RankMe(OverTokens):
    """Return the RankMe of the matrix of a prompt's states, per layer 0..L.

    As the effective rank, with 1e-7 added to each normalised singular value. A matrix whose rows
    are multiples of one state gives 1 plus at most 2e-6 a token; k equal singular values give k. It
    cannot exceed the number of tokens that are looked at, 32 in a sample.
    """

    spec = MetricSpec(
        name="rankme",
        title="RankMe",
        unit="directions",
        axes=("layer",),
        bounds=(1.0, None),
        needs=("hidden",),
        definition="Exponential of the entropy sum of -p ln p, p being 1e-7 plus a normalised "
        "singular value of the matrix of a prompt's hidden states, not centred, before the final "
        "norm; at most the number of tokens looked at.",
        source="Garrido et al. 2023, RankMe: assessing the downstream performance of pretrained "
        "self-supervised representations by their rank; over a prompt's tokens",
        group="geometry",
        cost="high",
        sampled=True,
    )
    undefined = _ZERO

    def value(self, seen: HiddenStates) -> Tensor:
        """Return RankMe of each prompt."""
        values = seen.spectra.plain
        # There are as many singular values as the shorter side has.
        possible = seen.positions.counts.clamp(max=seen.width)[:, None]
        places = torch.arange(values.shape[-1], device=values.device) < possible
        shares = torch.where(places, _shares(values) + 1e-7, 0)
        return where(_at_least(2, seen, values), torch.special.entr(shares).sum(-1).exp())


class MatrixEntropy(OverTokens):
    """Return the von Neumann entropy of a prompt's states as a share of ln m, per layer 0..L.

    The states of the m tokens that are looked at are centred on their mean and scaled to length 1;
    of their m x m matrix of products, divided by its trace, the entropy of the eigenvalues is
    divided by ln m. States on a line give 0; m states as far from each other as can be give
    ln (m - 1) / ln m. The share depends on m: prompts compare where it is the same, 32 in a sample.
    The matrix is taken as it is, where published code sets its negative entries to zero and so
    makes it no density.
    """

    spec = MetricSpec(
        name="matrix_entropy",
        title="Matrix entropy",
        unit="share of ln m",
        axes=("layer",),
        bounds=(0.0, 1.0),
        needs=("hidden",),
        definition="Entropy of the eigenvalues of the matrix of products of a prompt's hidden "
        "states at the m tokens looked at, centred and scaled to length 1, divided by its trace; "
        "over ln m, before the final norm.",
        source="Skean et al. 2025, Layer by layer: uncovering hidden representations in language "
        "models; without setting negative entries to zero",
        group="geometry",
        cost="high",
        sampled=True,
    )
    undefined = _ALIKE

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the entropy of each prompt."""
        values = seen.spectra.directions
        entropy = torch.special.entr(values / values.sum(-1, keepdim=True)).sum(-1)
        most = seen.positions.counts.clamp(min=2).double().log()
        return where(_at_least(3, seen, values), (entropy / most).clamp(0, 1))


def _shares(values: Tensor) -> Tensor:
    """Return singular values as shares of their sum, of their squares."""
    singular = values.sqrt()
    return singular / singular.sum(-1, keepdim=True)


def _at_least(tokens: int, seen: HiddenStates, values: Tensor) -> Tensor:
    """Return which prompts have so many tokens, and a spectrum that is not all zeros."""
    return (seen.positions.counts >= tokens) & (values[:, 0] != 0)
