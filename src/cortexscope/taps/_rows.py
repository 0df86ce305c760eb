"""What metrics are shown: the states and the attention rows of one batch, reduced on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["AttentionRows", "HiddenStates"]


class HiddenStates:
    """The hidden states of a batch at one site, with reductions that are computed once.

    Args:
        states: as the model computed them, [prompt, token, feature].
        tokens: which positions hold a token and not padding, [prompt, token].
    """

    def __init__(
        self, states: Float[Tensor, "prompt token feature"], tokens: Bool[Tensor, "prompt token"]
    ) -> None:
        self._states = states.detach()
        self.tokens = tokens
        self._near_zero: dict[float, Int[Tensor, "prompt token"]] = {}

    @property
    def width(self) -> int:
        """Number of features."""
        return self._states.shape[-1]

    @cached_property
    def values(self) -> Float[Tensor, "prompt token feature"]:
        """The states in float32, or in float64 where the model computes in it."""
        return self._states if self._states.dtype == torch.float64 else self._states.float()

    @cached_property
    def norms(self) -> Float[Tensor, "prompt token"]:
        """The l2 norm of each token's state."""
        norms: Tensor = torch.linalg.vector_norm(self.values, dim=-1)
        return norms

    @cached_property
    def sums(self) -> Float[Tensor, "prompt token"]:
        """The sum over features of each token's state."""
        return self.values.sum(-1)

    def near_zero(self, threshold: float) -> Int[Tensor, "prompt token"]:
        """Return how many features of each token have |h| below `threshold`."""
        if threshold not in self._near_zero:
            self._near_zero[threshold] = (self.values.abs() < threshold).sum(-1)
        return self._near_zero[threshold]


@dataclass(frozen=True, slots=True)
class AttentionRows:
    """The attention of a batch in one layer, one number a query row; no matrix is kept.

    What nobody asked for is None.
    """

    tokens: Bool[Tensor, "prompt query"]
    """Which query rows belong to a token and not to padding."""
    visible: Int[Tensor, "#prompt #head query"]
    """How many keys each row can see, counted from the mask itself."""
    entropy: Float[Tensor, "prompt head query"] | None
    """Shannon entropy of each row, nats."""
    first_key: Float[Tensor, "prompt head query"] | None
    """Probability that each row puts on the first key it can see."""
