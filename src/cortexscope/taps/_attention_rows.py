"""What metrics are shown of the attention of one batch in one layer."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope import native
from cortexscope.errors import UnknownNameError
from cortexscope.registry import suggestion
from cortexscope.taps._reductions import Key, Reduced, reduction
from cortexscope.taps._statistics import Statistics
from cortexscope.taps._tokens import Tokens
from cortexscope.taps.rows import ROWS

__all__ = ["AttentionRows", "AttentionSample", "BeyondFirst"]

R = TypeVar("R", bound="AttentionRows")
S = TypeVar("S", bound="AttentionSample")


def _beside(parts: Sequence[Tensor], prompts: int) -> Tensor:
    """Return what layers have, as that of one with as many times the prompts."""
    return torch.cat([part.expand(prompts, *part.shape[1:]) for part in parts])


class BeyondFirst(NamedTuple):
    """Of attention rows, what falls on keys after the first token."""

    mass: Float[Tensor, "prompt head row"]
    distance: Float[Tensor, "prompt head row"]
    """The sum of probability times distance of these keys."""


class AttentionRows(Reduced):
    """The attention of a batch in one layer, one number a query row; no matrix is kept.

    Args:
        positions: which query rows belong to a token and not to padding.
        visible: how many keys each row can see, counted from the mask itself; a learned sink is one
            more.
        statistics: one number a row, by the names of `ROWS`; without what nobody asked for or there
            is not.
    """

    def __init__(
        self,
        positions: Tokens,
        visible: Int[Tensor, "#prompt #head query"],
        statistics: Statistics,
    ) -> None:
        self.positions = positions
        self.reductions = {("visible",): visible, **{(name,): x for name, x in statistics.items()}}

    def form(self) -> tuple[Hashable, ...]:
        """Return which statistics there are."""
        return (*self.reductions,)

    def alike(self) -> tuple[Hashable, ...]:
        """Return what must be the same of layers that are shown as one."""
        shapes = [(x.shape, x.dtype, x.device) for x in self.reductions.values()]
        return (*self.form(), *shapes, id(self.positions))

    @property
    def entries(self) -> int:
        """How many numbers there are, most of one kind."""
        every: Iterable[Tensor] = self.reductions.values()
        return max(x.numel() for x in every)

    def held(self: R) -> R | None:
        """Return few numbers, which are no part of the model."""
        return self if self.entries <= self.FEW else None

    @classmethod
    def together(cls: type[R], layers: Sequence[R]) -> R:
        """Return the rows of layers as those of one."""
        made, first = object.__new__(cls), layers[0]
        made.positions = first.positions.times(len(layers))
        prompts = len(first.tokens)
        made.reductions = {
            key: _beside([layer.reductions[key] for layer in layers], prompts)
            for key in first.reductions
        }
        return made

    @property
    def statistics(self) -> Statistics:
        """One number a row, by the names of `ROWS`."""
        return {name: x for (name,), x in self.reductions.items() if name in ROWS}

    @property
    def visible(self) -> Int[Tensor, "#prompt #head query"]:
        """How many keys each row can see; a learned sink is one more."""
        found: Tensor = self.reductions["visible",]
        return found

    def of(self, name: str) -> Float[Tensor, "prompt head query"] | None:
        """Return a statistic of the rows; None where nobody asked or there is no such thing.

        Args:
            name: of the statistic, such as `entropy` for the need `attention.entropy`.

        Raises:
            UnknownNameError: if there is none of that name.
        """
        if name not in ROWS:
            raise UnknownNameError(
                f"No statistic of attention rows is called {name!r}; {suggestion(name, ROWS)}."
            )
        return self.reductions.get((name,))

    @property
    def rest(self) -> Bool[Tensor, "prompt query"]:
        """Which query rows belong to a token that is not the first of its prompt."""
        return self.positions.rest

    @cached_property
    def normalized(self) -> Float[Tensor, "prompt head query"] | None:
        """The entropy of each row over its ceiling, the logarithm of the keys that it can see."""
        entropy = self.of("entropy")
        if entropy is None:
            return None
        return entropy / self.visible.clamp(min=2).to(entropy.dtype).log()


class AttentionSample(Reduced):
    """Whole rows of the attention in one layer, of the queries that stand for their prompts.

    Where many rows stand they come in several parts, one after the other at the same site.

    Args:
        positions: which rows are there, numbered as tokens of their prompts.
        queries: where each query is on the axis of the keys.
        probabilities: what each row puts on each key; what is missing to 1 is on a learned sink.
        visible: which keys each row can see.
        start: where the first token of each prompt is on the axis of the keys, below 0 where a
            window let go of it; None where it is key 0 for all.
        learned_sink: what each row puts on a sink that is no key; None where there is no sink.
    """

    def __init__(
        self,
        positions: Tokens,
        queries: Int[Tensor, "#prompt row"],
        probabilities: Float[Tensor, "prompt head row key"],
        visible: Bool[Tensor, "#prompt #head row key"],
        start: Int[Tensor, "#prompt #head"] | None = None,
        learned_sink: Float[Tensor, "prompt head row"] | None = None,
    ) -> None:
        self.positions = positions
        self.queries = queries
        self.probabilities = probabilities
        self.visible = visible
        self.start = start
        self.learned_sink = learned_sink
        self.reductions = {}

    def alike(self) -> tuple[Hashable, ...]:
        """Return what must be the same of layers that are shown as one."""
        rows = self.probabilities
        given = self.start is None, self.learned_sink is None
        return (rows.shape, rows.dtype, rows.device, self.visible.shape, given, id(self.positions))

    @property
    def entries(self) -> int:
        """How many probabilities there are."""
        return self.probabilities.numel()

    def held(self: S) -> S | None:
        """Return a few rows, which are a copy."""
        if self.probabilities.numel() > self.FEW:
            return None
        sink = self.learned_sink
        return type(self)(
            self.positions,
            self.queries,
            self.probabilities.clone(),
            self.visible,
            self.start,
            None if sink is None else sink.clone(),
        )

    @classmethod
    def together(cls: type[S], layers: Sequence[S]) -> S:
        """Return the rows of layers as those of one."""
        prompts = len(layers[0].tokens)

        def beside(name: str) -> Any:  # noqa: ANN401 - a tensor, or none
            parts = [getattr(layer, name) for layer in layers]
            return None if parts[0] is None else _beside(parts, prompts)

        return cls(
            layers[0].positions.times(len(layers)),
            *map(beside, ("queries", "probabilities", "visible", "start", "learned_sink")),
        )

    @property
    def rest(self) -> Bool[Tensor, "prompt row"]:
        """Which rows belong to a token that is not the first of its prompt."""
        return self.positions.rest

    def prepare(self, keys: Sequence[Key]) -> None:
        """Compute in one reading what compiled code gives."""
        window = next((key for key in keys if key[0] == "within"), None)
        known = ("largest",) in self.reductions and (window is None or window in self.reductions)
        if known or not native.takes_rows(self.probabilities):
            return
        read = native.attention_row_sizes(
            self.probabilities,
            self.queries,
            self.visible,
            self.tokens,
            self.start,
            0 if window is None else window[1],
        )
        self.reductions.update(
            {
                ("counts",): read.counts,
                ("even_distance",): read.even,
                ("largest",): read.largest,
                ("received",): read.received,
                ("effective",): self._effective(read.squares),
                ("without_first",): BeyondFirst(read.mass, read.beyond),
                ("distance",): read.distance,
            }
        )
        if window is not None:
            self.reductions[window] = read.near

    @reduction
    def counts(self) -> Int[Tensor, "#prompt #head row"]:
        """How many keys each row can see."""
        return self.visible.sum(-1)

    @reduction
    def largest(self) -> Float[Tensor, "prompt head row"]:
        """The largest probability of each row."""
        return self.probabilities.amax(-1)

    @reduction
    def received(self) -> Float[Tensor, "prompt head key"]:
        """What each key receives from all rows of tokens together."""
        return torch.where(self.tokens[:, None, :, None], self.probabilities, 0).sum(2)

    @reduction
    def effective(self) -> Float[Tensor, "prompt head row"]:
        """One over the sum of the squares of each row, a learned sink being one outcome more."""
        # Twice the speed of squaring and summing, since no matrix of squares is made.
        return self._effective(torch.linalg.vector_norm(self.probabilities, dim=-1).square())

    def _effective(self, squares: Tensor) -> Tensor:
        if self.learned_sink is not None:
            squares = squares + self.learned_sink.square()
        return 1 / squares.clamp(max=1)

    @cached_property
    def distances(self) -> Float[Tensor, "#prompt row key"]:
        """How far each key lies from the query, in tokens."""
        keys = torch.arange(self.probabilities.shape[-1], device=self.queries.device)
        return (self.queries[..., None] - keys).abs_().to(self.probabilities.dtype)

    @reduction
    def even_distance(self) -> Float[Tensor, "#prompt #head row"]:
        """The mean distance of the keys that each row can see."""
        total = torch.where(self.visible, self.distances[:, None], 0).sum(-1)
        return total / self.counts

    @reduction
    def without_first(self) -> BeyondFirst:
        """What each row puts on keys after the first token."""
        if self.start is None:
            rest, distances = self.probabilities[..., 1:], self.distances[..., 1:]
        else:
            keys = torch.arange(self.probabilities.shape[-1], device=self.start.device)
            rest = self.probabilities.masked_fill(keys == self.start[..., None, None], 0)
            distances = self.distances
        return BeyondFirst(rest.sum(-1), (rest * distances[:, None]).sum(-1))

    @reduction
    def distance(self) -> Float[Tensor, "prompt head row"]:
        """The sum of probability times distance of each row."""
        # The far first key is added last, so that it takes no digits from the others.
        _, rest = self.without_first
        return rest + self._first_token * self._first_distance

    @property
    def _first_token(self) -> Tensor:
        if self.start is None:
            return self.probabilities[..., 0]
        index = self.start.clamp(min=0)[..., None].expand(self.probabilities.shape[:-1])
        mass = self.probabilities.gather(-1, index[..., None]).squeeze(-1)
        return mass.masked_fill(self.start[..., None] < 0, 0)

    @property
    def _first_distance(self) -> Tensor:
        queries = self.queries[:, None]
        return queries if self.start is None else queries - self.start[..., None]

    def within(self, window: int) -> Float[Tensor, "prompt head row"]:
        """Return what each row puts on keys less than `window` tokens away."""
        return self.once(("within", window), lambda: self._within(window))

    def _within(self, window: int) -> Float[Tensor, "prompt head row"]:
        last = self.probabilities.shape[-1] - 1
        if last < 8 * window:
            # Where most keys are near, reading all is quicker than picking some.
            near = (self.distances < window).to(self.probabilities.dtype)
            return (self.probabilities * near[:, None]).sum(-1)
        around = torch.arange(1 - window, window, device=self.queries.device)
        index = self.queries[:, None, :, None] + around
        # Few keys of each row, so that the others are not read.
        few = torch.take_along_dim(self.probabilities, index.clamp(0, last), -1)
        return few.masked_fill_((index < 0) | (index > last), 0).sum(-1)
