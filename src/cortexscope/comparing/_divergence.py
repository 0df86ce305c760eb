"""How far two models' predictions lie apart, token by token, without whole rows of logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.taps import ReadoutError

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
    base: Head,
    other: Head,
    states: tuple[Float[Tensor, "row feature"], Float[Tensor, "row other_feature"]],
    tokens: Int[Tensor, " row"],
) -> Divergence:
    """Return KL(base || other) in nats, and what both say of one token, for each state.

    sum_v p_v (ln p_v - ln q_v), of logits in float32 and sums in float64; 0 where both are the
    same, ln 2 where the base is certain of what the other gives one half. Equal distributions have
    exactly 0.

    Args:
        base: the base's head.
        other: the other's.
        states: what each head is given, of the same tokens.
        tokens: the token in question, such as the one that comes next.

    Raises:
        ReadoutError: if a head cannot be applied, or they have different vocabularies.
    """
    first, second = base.inputs(states[0]), other.inputs(states[1])
    if base.vocabulary != other.vocabulary:
        raise ReadoutError(
            f"the models have vocabularies of {base.vocabulary} and {other.vocabulary} tokens"
        )
    step = min(base.rows, other.rows)
    pieces = [
        _piece(base, other, first[at : at + step], second[at : at + step], tokens[at : at + step])
        for at in range(0, len(tokens), step)
    ]
    return Divergence(*(torch.cat(columns).cpu() for columns in zip(*pieces, strict=True)))


def _piece(
    base: Head, other: Head, first: Tensor, second: Tensor, tokens: Tensor
) -> tuple[Tensor, ...]:
    p, q = _Side.of(tokens), _Side.of(tokens)
    moment = torch.zeros(len(tokens), dtype=torch.float64)
    for start, ours, theirs in _together(base.scores(first), other.scores(second)):
        theirs = theirs.to(ours.device)
        scale, weights = p.see(start, ours)
        q.see(start, theirs)
        # What has no weight adds nothing, also where a model rules tokens out by -inf.
        apart = ours.sub(theirs).mul_(weights).masked_fill_(weights <= 0, 0)
        moment = moment.to(scale.device) * scale + apart.sum(-1, dtype=torch.float64)
    # The largest scores, then what lies below them: nothing cancels but what is equal.
    shift = p.best.double() - q.best.double()
    kl = moment / p.mass - (shift + (p.mass / q.mass).log())
    # Gibbs' inequality holds up to rounding.
    return kl.clamp(min=0), p.log_probability, q.log_probability, p.top == q.top


@dataclass
class _Side:
    """What is known of one model's distributions, of the pieces that were seen so far."""

    tokens: Tensor
    best: Tensor
    """The largest logit."""
    mass: Tensor
    """The sum of exp(logit - best), in float64."""
    top: Tensor
    """The first token with the largest logit."""
    wanted: Tensor
    """The logit of the token in question."""

    @classmethod
    def of(cls, tokens: Tensor) -> _Side:
        nothing = torch.full((len(tokens),), -torch.inf)
        return cls(tokens, nothing, nothing.double().exp(), torch.zeros_like(tokens), nothing)

    def see(self, start: int, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Take a piece; return by what earlier sums shrink, and the weights of this piece."""
        device = scores.device
        here, places = scores.max(-1)
        before = self.best.to(device, here.dtype)
        self.best = torch.maximum(before, here)
        self.top = torch.where(here > before, places + start, self.top.to(device))
        place = self.tokens.to(device) - start
        inside = (place >= 0) & (place < scores.shape[1])
        at = scores.gather(1, place.clamp(0, scores.shape[1] - 1)[:, None])[:, 0]
        self.wanted = torch.where(inside, at, self.wanted.to(device, at.dtype))
        mass = self.mass.to(device)
        scale = torch.where(mass > 0, (before.double() - self.best.double()).exp(), 0)
        # In place: to take memory anew costs more than the sum.
        weights = scores.sub(self.best[:, None]).exp_()
        self.mass = mass * scale + weights.sum(-1, dtype=torch.float64)
        return scale, weights

    @property
    def log_probability(self) -> Tensor:
        return self.wanted.double() - self.best.double() - self.mass.log()


def _together(
    first: Iterator[tuple[int, Tensor]], second: Iterator[tuple[int, Tensor]]
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield the same tokens' logits of both, whatever the sizes of their pieces."""
    start = 0
    ours = theirs = torch.empty(0, 0)
    while True:
        if not ours.shape[1]:
            _, ours = next(first, (0, torch.empty(0, 0)))
        if not theirs.shape[1]:
            _, theirs = next(second, (0, torch.empty(0, 0)))
        both = min(ours.shape[1], theirs.shape[1])
        if not both:
            return
        yield start, ours[:, :both], theirs[:, :both]
        start, ours, theirs = start + both, ours[:, both:], theirs[:, both:]
