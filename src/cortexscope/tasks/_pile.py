"""Prompts by the million: kept as bytes, and made anew as they are asked for."""

from __future__ import annotations

import pickle
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from cortexscope.records import Prompt, Turn
from cortexscope.tasks._attributes import Attributes

__all__ = ["Pile", "chained"]

_PIECE = 2048
_FEW = 8 * _PIECE
"""Prompts that a tuple holds as well: at 16 thousand they take some 10 MB."""


class _Prompts(Sequence[Prompt]):
    """Prompts by their places, which no tuple holds."""

    @overload
    def __getitem__(self, place: int) -> Prompt: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Prompt, ...]: ...

    def __getitem__(self, place: int | slice) -> Prompt | tuple[Prompt, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        return self._one(range(len(self))[place])

    @abstractmethod
    def _one(self, number: int) -> Prompt:
        """Return the prompt with a number from 0."""


class Pile(_Prompts):
    """Prompts of which no more than two pieces are objects at a time.

    A million of them take a fifth of a gigabyte, where objects would take more than half of one.
    """

    def __init__(self, prompts: Iterable[Prompt] = ()) -> None:
        self._pieces: list[bytes] = []
        self._last: list[Prompt] = []
        self._read: tuple[int, list[Prompt]] = (-1, [])
        for prompt in prompts:
            self.add(prompt)

    def add(self, prompt: Prompt) -> None:
        """Put a prompt behind the others."""
        self._last.append(prompt)
        if len(self._last) == _PIECE:
            self._pieces.append(pickle.dumps([_fields(each) for each in self._last], protocol=5))
            self._last = []

    def drained(self) -> Iterator[Prompt]:
        """Yield the prompts in order, each piece gone as it is read."""
        pieces, last = self._pieces[::-1], self._last
        self._pieces, self._last = [], []
        while pieces:
            yield from _prompts(pieces.pop())
        yield from last

    def sealed(self) -> Sequence[Prompt]:
        """Return the prompts: as a tuple where they are few, else as they are kept."""
        return tuple(self) if len(self) <= _FEW else self

    def __len__(self) -> int:
        return len(self._pieces) * _PIECE + len(self._last)

    def __iter__(self) -> Iterator[Prompt]:
        for piece in self._pieces:
            yield from _prompts(piece)
        yield from self._last

    def _one(self, number: int) -> Prompt:
        piece, inside = divmod(number, _PIECE)
        if piece == len(self._pieces):
            return self._last[inside]
        if self._read[0] != piece:
            self._read = (piece, _prompts(self._pieces[piece]))
        return self._read[1][inside]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((len(self), *self[:1]))


class _Chained(_Prompts):
    def __init__(self, parts: Sequence[Sequence[Prompt]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Prompt]:
        for part in self._parts:
            yield from part

    def _one(self, number: int) -> Prompt:
        for part in self._parts:
            if number < len(part):
                return part[number]
            number -= len(part)
        raise IndexError(number)


def chained(parts: Sequence[Sequence[Prompt]]) -> Sequence[Prompt]:
    """Return the prompts of all parts in order: as a tuple where they are few."""
    if any(isinstance(part, Pile) for part in parts):
        return _Chained(parts)
    return tuple(prompt for part in parts for prompt in part)


def _fields(prompt: Prompt) -> tuple[Any, ...]:
    attributes, turns = prompt.attributes, prompt.turns
    return (
        prompt.id,
        prompt.task,
        prompt.text,
        prompt.source,
        prompt.target,
        prompt.control,
        prompt.origin,
        (tuple(attributes), tuple(attributes.values())) if attributes else None,
        tuple(map(tuple, turns)) if turns else None,
    )


def _prompts(piece: bytes) -> list[Prompt]:
    found = []
    for fields in pickle.loads(piece):
        prompt_id, task, text, source, target, control, origin, attributes, turns = fields
        found.append(
            Prompt(
                prompt_id,
                task,
                text,
                source,
                target,
                control,
                origin,
                Attributes(*attributes) if attributes else {},
                tuple(Turn(*turn) for turn in turns or ()),
            )
        )
    return found
