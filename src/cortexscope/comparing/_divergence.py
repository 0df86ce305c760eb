"""How far models' predictions lie apart, token by token, without whole rows of logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.taps import Distributions, ReadoutError

__all__ = ["Divergence", "Head", "divergence"]


@runtime_checkable
class Head(Protocol):
    """Turns states into logits, a piece of the vocabulary at a time, as `taps.Readout` does."""

    @property
    def vocabulary(self) -> int:
        """How many tokens have a logit; known once `inputs` was called."""

    @property
    def rows(self) -> int:
        """How many states are best given to `scores` at a time."""

    def inputs(self, states: Tensor) -> Tensor:
        """Return what the unembedding is given after these states, [row, width]."""

    def scores(self, inputs: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield logits [row, token] of neighbouring tokens, and the number of the first one."""


class Divergence(NamedTuple):
    """Two models' distributions at some tokens."""

    kl: Float[Tensor, " row"]
    """Kullback-Leibler divergence of the other's distribution from the base's, nats."""
    log_p_base: Float[Tensor, " row"]
    """ln of the probability that the base gives to the token in question."""
    log_p: Float[Tensor, " row"]
    """ln of the probability that the other gives to it."""
    same_top: Bool[Tensor, " row"]
    """Whether the same token is the likeliest in both."""


def divergence(
    heads: Sequence[tuple[Head, Float[Tensor, "member row feature"]]], tokens: Int[Tensor, " row"]
) -> list[Divergence]:
    """Return KL(base || other) in nats, and what both say of one token, for each other.

    sum_v p_v (ln p_v - ln q_v), of logits in float32 and sums in float64; 0 where both are the
    same, ln 2 where the base is certain of what the other gives one half. Equal distributions have
    exactly 0.

    Args:
        heads: each with the states it is given, of the same tokens; the first states of the first
            head are the base's, and all that follow are held against them.
        tokens: the token in question, such as the one that comes next.

    Raises:
        ReadoutError: if a head cannot be applied, or they have different vocabularies.
    """
    for head, states in heads:
        # From here on its vocabulary is known.
        head.inputs(states[0, :2])
    base, *others = [head.vocabulary for head, _ in heads]
    for vocabulary in others:
        if vocabulary != base:
            raise ReadoutError(f"the models have vocabularies of {base} and {vocabulary} tokens")
    step = min(max(1, head.rows // len(states)) for head, states in heads)
    pieces = [
        _piece(
            [(head, states[:, at : at + step]) for head, states in heads], tokens[at : at + step]
        )
        for at in range(0, len(tokens), step)
    ]
    kl, log_p, top = (torch.cat(columns, -1).cpu() for columns in zip(*pieces, strict=True))
    return [
        Divergence(kl[other], log_p[0], log_p[other], top[other] == top[0])
        for other in range(1, len(kl))
    ]


def _piece(heads: Sequence[tuple[Head, Tensor]], tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found = Distributions(tokens, members=sum(len(states) for _, states in heads), base=0)
    for start, scores in _together([_scores(*own) for own in heads]):
        found.see(start, [member for own in scores for member in own])
    return found.divergence, found.log_probability, found.top


def _scores(head: Head, states: Float[Tensor, "member row feature"]) -> Iterator[Tensor]:
    """Yield logits [member, row, token], of all members by one product."""
    inputs = head.inputs(states.flatten(0, 1))
    for _, scores in head.scores(inputs):
        yield scores.unflatten(0, states.shape[:2])


def _together(heads: Sequence[Iterator[Tensor]]) -> Iterator[tuple[int, list[Tensor]]]:
    """Yield the same tokens' logits of all heads, whatever the sizes of their pieces."""
    start, waiting = 0, [torch.empty(0, 0, 0)] * len(heads)
    while True:
        for number, own in enumerate(heads):
            if not waiting[number].shape[-1]:
                waiting[number] = next(own, torch.empty(0, 0, 0))
        width = min(own.shape[-1] for own in waiting)
        if not width:
            return
        yield start, [own[..., :width] for own in waiting]
        start, waiting = start + width, [own[..., width:] for own in waiting]
