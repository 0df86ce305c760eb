"""What metrics are shown of one batch at one site, reduced on demand and only once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.taps._tokens import Tokens

__all__ = ["AttentionRows", "AttentionSample", "HiddenStates", "Neurons", "Update"]


class HiddenStates:
    """The hidden states of a batch at one site, with reductions that are computed once.

    Args:
        states: as the model computed them, [prompt, token, feature].
        positions: which positions hold a token and not padding.
        before: the states of the layer before, None where there is none.
    """

    def __init__(
        self,
        states: Float[Tensor, "prompt token feature"],
        positions: Tokens,
        *,
        before: HiddenStates | None = None,
    ) -> None:
        self._states = states.detach()
        self.positions = positions
        self.before = before
        self._near_zero: dict[float, Int[Tensor, "prompt token"]] = {}

    def forget(self) -> None:
        """Let go of the states of the layer before."""
        self.before = None
        if "sample" in self.__dict__:
            self.sample.before = None

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token and not padding."""
        return self.positions.mask

    @property
    def rest(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token that is not the first of its prompt."""
        return self.positions.rest

    @property
    def width(self) -> int:
        """Number of features."""
        return self._states.shape[-1]

    @cached_property
    def sample(self) -> HiddenStates:
        """The states of the tokens that stand for their prompts; itself where all do."""
        chosen = self.positions.sample
        if chosen is None:
            return self
        before = None if self.before is None else self.before.sample
        return type(self)(chosen.of(self._states), self.positions.sampled, before=before)

    @cached_property
    def values(self) -> Float[Tensor, "prompt token feature"]:
        """The states in float32, or in float64 where the model computes in it."""
        return self._states if self._states.dtype == torch.float64 else self._states.float()

    @cached_property
    def sums(self) -> Float[Tensor, "prompt token"]:
        """The sum over features of each token's state."""
        return self.values.sum(-1)

    @cached_property
    def sizes(self) -> Float[Tensor, "prompt token"]:
        """The l1 norm of each token's state."""
        # Twice as fast as torch's own l1 norm, which is not vectorised.
        return self.values.abs().sum(-1)

    @cached_property
    def norms(self) -> Float[Tensor, "prompt token"]:
        """The l2 norm of each token's state."""
        norms: Tensor = torch.linalg.vector_norm(self.values, dim=-1)
        return norms

    @cached_property
    def largest(self) -> Float[Tensor, "prompt token"]:
        """The largest |h| of each token's state."""
        return self.values.abs().amax(-1)

    @cached_property
    def cosines_before(self) -> Float[Tensor, "prompt token"]:
        """The cosine of each token's state with the one in the layer before; NaN for zeros."""
        if self.before is None:
            return torch.full_like(self.norms, torch.nan)
        product = (self.values * self.before.values).sum(-1)
        return product / (self.norms * self.before.norms)

    def near_zero(self, threshold: float) -> Int[Tensor, "prompt token"]:
        """Return how many features of each token have |h| below `threshold`."""
        if threshold not in self._near_zero:
            self._near_zero[threshold] = (self.values.abs() < threshold).sum(-1)
        return self._near_zero[threshold]


class Neurons(HiddenStates):
    """The activations of an MLP's neurons: what its down projection reads.

    With a gate they are the products of gate and value. They have the reductions of states.
    """


class Update:
    """What attention or an MLP adds to the residual stream in one layer.

    Args:
        part: which of the two.
        states: the output of its last matrix, after the norm that a block may put behind it.
        stream: the states that the block was given.
    """

    def __init__(
        self, part: Literal["attention", "mlp"], states: HiddenStates, stream: HiddenStates
    ) -> None:
        self.part = part
        self.states = states
        self.stream = stream
        self.positions = states.positions

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token and not padding."""
        return self.positions.mask

    @cached_property
    def sample(self) -> Update:
        """The same of the tokens that stand for their prompts; itself where all do."""
        if self.positions.sample is None:
            return self
        return Update(self.part, self.states.sample, self.stream.sample)

    @cached_property
    def cosines(self) -> Float[Tensor, "prompt token"]:
        """The cosine of each token's update with the stream; NaN for zeros."""
        product = (self.states.values * self.stream.values).sum(-1)
        return product / (self.states.norms * self.stream.norms)


@dataclass(frozen=True, slots=True)
class AttentionRows:
    """The attention of a batch in one layer, one number a query row; no matrix is kept.

    What nobody asked for, or what there is not, is None.
    """

    positions: Tokens
    """Which query rows belong to a token and not to padding."""
    visible: Int[Tensor, "#prompt #head query"]
    """How many keys each row can see, counted from the mask itself; a learned sink is one more."""
    entropy: Float[Tensor, "prompt head query"] | None
    """Shannon entropy of each row, nats."""
    first_key: Float[Tensor, "prompt head query"] | None
    """Probability that each row puts on the first key it can see."""
    first_token: Float[Tensor, "prompt head query"] | None = None
    """Probability that each row puts on the first token, 0 where a window hides it."""
    previous_token: Float[Tensor, "prompt head query"] | None = None
    """Probability that each row puts on the token before its own; 0 in a row that has none. None
    in attention to another stack."""
    learned_sink: Float[Tensor, "prompt head query"] | None = None
    """Probability that each row puts on a sink that is no key; None where there is no sink."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt query"]:
        """Which query rows belong to a token and not to padding."""
        return self.positions.mask

    @property
    def rest(self) -> Bool[Tensor, "prompt query"]:
        """Which query rows belong to a token that is not the first of its prompt."""
        return self.positions.rest


@dataclass(frozen=True)
class AttentionSample:
    """Whole rows of the attention in one layer, of the queries that stand for their prompts.

    Where many rows stand they come in several parts, one after the other at the same site.
    """

    positions: Tokens
    """Which rows are there, numbered as tokens of their prompts."""
    queries: Int[Tensor, "#prompt row"]
    """Where each query is on the axis of the keys."""
    probabilities: Float[Tensor, "prompt head row key"]
    """What each row puts on each key; what is missing to 1 is on a learned sink."""
    visible: Bool[Tensor, "#prompt #head row key"]
    """Which keys each row can see."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt row"]:
        """Which rows belong to a token and not to padding."""
        return self.positions.mask

    @property
    def rest(self) -> Bool[Tensor, "prompt row"]:
        """Which rows belong to a token that is not the first of its prompt."""
        return self.positions.rest

    @cached_property
    def counts(self) -> Int[Tensor, "#prompt #head row"]:
        """How many keys each row can see."""
        return self.visible.sum(-1)

    @cached_property
    def squares(self) -> Float[Tensor, "prompt head row"]:
        """The sum of the squared probabilities of each row."""
        # Twice the speed of squaring and summing, since no matrix of squares is made.
        norms: Tensor = torch.linalg.vector_norm(self.probabilities, dim=-1)
        return norms.square()

    @cached_property
    def largest(self) -> Float[Tensor, "prompt head row"]:
        """The largest probability of each row."""
        return self.probabilities.amax(-1)

    @cached_property
    def distances(self) -> Int[Tensor, "#prompt row key"]:
        """How far each key lies from the query, in tokens."""
        keys = torch.arange(self.probabilities.shape[-1], device=self.queries.device)
        return (self.queries[..., None] - keys).abs()
