"""What metrics are shown of what attention or an MLP adds to the residual stream."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Literal, TypeVar

from jaxtyping import Float
from torch import Tensor

from cortexscope import native
from cortexscope.taps._reductions import Key, Reduced, reduction
from cortexscope.taps._states import HiddenStates

__all__ = ["Update"]

S = TypeVar("S", bound="Update")


class Update(Reduced):
    """What attention or an MLP adds to the residual stream in one layer.

    Args:
        part: which of the two.
        states: the output of its last part, after the norm or the factor that a block may put
            behind it.
        stream: the states that the block was given.
    """

    def __init__(
        self, part: Literal["attention", "mlp"], states: HiddenStates, stream: HiddenStates
    ) -> None:
        self.part = part
        self.states = states
        self.positions = states.positions
        device = states.device
        if stream.device != device:
            # The layers of a model may lie apart.
            stream = HiddenStates(stream.values.to(device), states.positions)
        self.stream = stream
        self.reductions = {}

    def form(self) -> tuple[Hashable, ...]:
        """Return whose update it is, since most metrics are about one of the two."""
        return (self.part,)

    def alike(self) -> tuple[Hashable, ...]:
        """Return what must be the same of layers that are shown as one."""
        return (*self.form(), *self.states.alike())

    def bare(self) -> Update:
        """Return the same with nothing to be reduced."""
        made = super().bare()
        assert isinstance(made, Update)
        made.part = self.part
        return made

    @property
    def entries(self) -> int:
        """How many numbers the states are."""
        return self.states.entries

    def held(self: S) -> S | None:
        """Return an update of few states, which are copies."""
        return None if self.states.held() is None or self.stream.held() is None else self

    @classmethod
    def together(cls: type[S], layers: Sequence[S]) -> S:
        """Return the updates of layers as those of one."""
        states = HiddenStates.together([layer.states for layer in layers])
        stream = HiddenStates.joined([layer.stream for layer in layers], states.positions)
        return cls(layers[0].part, states, stream)

    @property
    def sample(self) -> Update:
        """The same of the tokens that stand for their prompts; itself where all do."""
        return self if self.positions.sample is None else self._sample

    @cached_property
    def _sample(self) -> Update:
        return Update(self.part, self.states.sample, self.stream.sample)

    def prepare(self, keys: Sequence[Key]) -> None:
        """Compute in one reading what compiled code gives."""
        rows, stream = self.states.rows, self.stream
        if rows is None or ("products",) in self.reductions or not self.states.lies_as(stream):
            return
        names = (*native.SIZES, "products")
        read = native.row_sizes(rows, names, others=stream.whole)
        self.reductions.update({(name,): read[name] for name in ("norms", "products")})

    @reduction
    def norms(self) -> Float[Tensor, "prompt token"]:
        """The l2 norm of each token's update."""
        return self.states.norms

    @reduction
    def stream_norms(self) -> Float[Tensor, "prompt token"]:
        """The l2 norm of each token's state in the stream."""
        return self.stream.norms

    @reduction
    def products(self) -> Float[Tensor, "prompt token"]:
        """The product of each token's update with its state in the stream."""
        return (self.states.values * self.stream.values).sum(-1)

    @property
    def cosines(self) -> Float[Tensor, "prompt token"]:
        """The cosine of each token's update with the stream; NaN for zeros."""
        return self.products / (self.norms * self.stream_norms)
