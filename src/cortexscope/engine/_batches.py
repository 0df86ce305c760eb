"""Put prompts of similar length together: batches, and the shards that batches are stored as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.engine._encode import Encoded

if TYPE_CHECKING:
    from cortexscope.models import LengthRule

__all__ = ["Batch", "Shard", "batches_of", "shards_of"]

_ALIKE = 0.75
"""The shortest prompt of a batch has at least this share of the tokens of the longest."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of similar length that go through the model together, longest first.

    The length of a prompt is that of both inputs, where the model is an encoder-decoder.
    """

    items: tuple[Encoded, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, to which the others are padded."""
        return max(len(item.ids) for item in self.items)

    @property
    def longest_target(self) -> int:
        """Tokens of the longest decoder input, 0 for a model that has none."""
        return max(len(item.target or ()) for item in self.items)

    @property
    def tokens(self) -> int:
        """Tokens of all inputs, without padding."""
        return sum(item.tokens for item in self.items)

    def halves(self) -> tuple[Batch, Batch]:
        """Return its prompts in two parts, in order; the first has no fewer."""
        middle = (len(self.items) + 1) // 2
        return Batch(self.items[:middle]), Batch(self.items[middle:])


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of the work that is stored as one file when it is finished."""

    number: int
    batches: tuple[Batch, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all batches, without padding."""
        return sum(batch.tokens for batch in self.batches)


def batches_of(
    encoded: Sequence[Encoded], *, batch_tokens: int, lengths: LengthRule | None = None
) -> Iterator[Batch]:
    """Yield batches of prompts of similar length, both inputs together, the longest first.

    The order depends on lengths and ids alone, so the same suite gives the same batches.

    Args:
        encoded: the prompts.
        batch_tokens: most tokens of a batch, padding of both inputs included; a longer prompt
            goes alone.
        lengths: which lengths the model reads alike, so that they may share a batch; all where
            None.
    """
    group: list[Encoded] = []
    longest = longest_target = 0
    for item in sorted(encoded, key=lambda item: (-item.tokens, item.prompt.id)):
        own, own_target = len(item.ids), len(item.target or ())
        width = max(longest, own) + max(longest_target, own_target)
        full = (len(group) + 1) * width > batch_tokens
        if group and (
            full
            or item.tokens < _ALIKE * group[0].tokens
            or (lengths is not None and _kind(item, lengths) != _kind(group[0], lengths))
        ):
            yield Batch(tuple(group))
            group, longest, longest_target = [], 0, 0
        group.append(item)
        longest, longest_target = max(longest, own), max(longest_target, own_target)
    if group:
        yield Batch(tuple(group))


def _kind(item: Encoded, lengths: LengthRule) -> tuple[object, object]:
    return lengths.kind(len(item.ids)), lengths.kind(len(item.target or ()))


def shards_of(
    encoded: Sequence[Encoded],
    *,
    batch_tokens: int,
    shard_batches: int,
    lengths: LengthRule | None = None,
) -> list[Shard]:
    """Return the shards of a model's work: so many batches each, in order."""
    every = list(batches_of(encoded, batch_tokens=batch_tokens, lengths=lengths))
    groups = [every[i : i + shard_batches] for i in range(0, len(every), shard_batches)]
    return [Shard(number, tuple(group)) for number, group in enumerate(groups)]
