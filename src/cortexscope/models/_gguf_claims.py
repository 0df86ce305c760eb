"""Hold what the tables of a GGUF file claim against its size, before anything reads it by them.

Only the tables are walked, by the format's description
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), and nothing is kept of long arrays.
"""

from __future__ import annotations

import itertools
import math
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cortexscope.errors import ModelFileError, UnsupportedModelError

__all__ = ["check_gguf"]

_VERSIONS = (2, 3)
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value of each type but texts and arrays."""
_INTEGERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 10: "Q", 11: "q"}
_TEXT, _ARRAY = 8, 9
_LEAST_ENTRY, _LEAST_TENSOR = 13, 24
"""Bytes of the shortest entry and of the shortest description of a tensor."""
_DEEPEST = 4
_MOST_ITEMS = 4_000_000
"""Items of all arrays together, for each of which the reader makes objects: a vocabulary of 262,144
with its merges has 1.3 million."""
_MOST_DIMENSIONS = 4
_MOST_BLOCKS = 10_000
_ARCHITECTURE = "general.architecture"
_BLOCK = re.compile(r"blk\.(\d+)\.")


class _Tensor(NamedTuple):
    name: str
    start: int
    """In the file."""
    size: int
    """Bytes."""


def check_gguf(path: Path) -> None:
    """Check every count, length and place in the tables of a GGUF file.

    Raises:
        ModelFileError: if one leads beyond the file, no model has it, tensors overlap, or there
            are none; the message names the field.
        UnsupportedModelError: if it is a part of a model.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            _Walk(path, held, size).check()
    except (struct.error, ValueError) as error:
        raise ModelFileError(
            f"{path} is damaged or cut short (its tables go beyond its {size:,} bytes); fetch the "
            "file again."
        ) from error


class _Walk:
    """A walk through the tables, from the head on."""

    def __init__(self, path: Path, held: mmap.mmap, size: int) -> None:
        self.path, self.held, self.size = path, held, size
        self.at = 4
        self.order = "<"
        self.items = 0
        self.names: set[str] = set()
        self.numbers: dict[str, int] = {}
        """Whole numbers by the names of their fields."""
        self.architecture: str | None = None

    def check(self) -> None:
        version = self._number("I")
        if version & 0xFFFF == 0:
            self.order, self.at = ">", 4
            version = self._number("I")
        if version not in _VERSIONS:
            known = " and ".join(map(str, _VERSIONS))
            raise self._wrong(f"its version is {version:,}, and {known} are known")
        tensors, entries = self._number("Q"), self._number("Q")
        self._fits("tensor_count", tensors, _LEAST_TENSOR)
        self._fits("kv_count", entries, _LEAST_ENTRY)
        for _ in range(entries):
            self._entry()
        if self.numbers.get("split.count", 1) > 1:
            raise UnsupportedModelError(
                f"{self.path} is one of several parts of a model; merge them with "
                "llama-gguf-split first."
            )
        self._check_tensors(list(self._tensors(tensors)))

    def _wrong(self, why: str) -> ModelFileError:
        return ModelFileError(f"{self.path} is damaged: {why}; fetch the file again.")

    def _number(self, kind: str) -> int:
        (found,) = struct.unpack_from(f"{self.order}{kind}", self.held, self.at)
        self.at += struct.calcsize(kind)
        return int(found)

    def _fits(self, field: str, count: int, width: int) -> None:
        """Check that so many items of at least so many bytes have room in what is left."""
        left = self.size - self.at
        if count * width > left:
            raise self._wrong(
                f"{field} claims {count:,} of at least {width} bytes each where {left:,} are left"
            )

    def _text(self, field: str) -> str:
        length = self._number("Q")
        self._fits(f"the length of {field}", length, 1)
        self.at += length
        try:
            return self.held[self.at - length : self.at].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._wrong(f"{field} is not UTF-8") from error

    def _entry(self) -> None:
        name = self._named("a field's name")
        self._value(name, self._number("I"), 0)

    def _named(self, what: str) -> str:
        """Return the next text, which no other field or tensor may have as its name."""
        name = self._text(what)
        if name in self.names:
            raise self._wrong(f"{name!r} comes twice")
        self.names.add(name)
        return name

    def _value(self, name: str, kind: int, depth: int) -> None:
        if name == _ARCHITECTURE and kind == _TEXT:
            self.architecture = self._text(name)
        elif kind == _TEXT:
            length = self._number("Q")
            self._fits(f"the length of {name}", length, 1)
            self.at += length
        elif kind == _ARRAY and depth < _DEEPEST:
            self._array(name, depth)
        elif kind in _INTEGERS and not depth:
            self.numbers[name] = self._number(_INTEGERS[kind])
        elif kind in _SIZES:
            self._fits(name, 1, _SIZES[kind])
            self.at += _SIZES[kind]
        else:
            raise self._wrong(f"{name} is of no type that a field can have ({kind})")

    def _array(self, name: str, depth: int) -> None:
        kind, count = self._number("I"), self._number("Q")
        width = _SIZES.get(kind, 8 if kind == _TEXT else 12)
        self._fits(name, count, width)
        self.items += count
        if self.items > _MOST_ITEMS:
            raise self._wrong(
                f"with {name}, its fields claim {self.items:,} items, more than {_MOST_ITEMS:,}"
            )
        if kind in _SIZES:
            self.at += count * width
            return
        for _ in range(count):
            self._value(name, kind, depth + 1)

    def _tensors(self, count: int) -> Iterator[_Tensor]:
        from gguf.constants import GGML_QUANT_SIZES

        sizes = {kind.value: both for kind, both in GGML_QUANT_SIZES.items()}
        for _ in range(count):
            name = self._named("a tensor's name")
            dimensions = self._number("I")
            if dimensions > _MOST_DIMENSIONS:
                raise self._wrong(f"the tensor {name!r} claims {dimensions:,} dimensions")
            shape = [self._number("Q") for _ in range(dimensions)]
            kind, start = self._number("I"), self._number("Q")
            if kind not in sizes:
                raise self._wrong(f"the tensor {name!r} is of no known type ({kind})")
            block, width = sizes[kind]
            if 0 in shape:
                raise self._wrong(f"the tensor {name!r} has a dimension of no size")
            yield _Tensor(name, start, math.prod(shape) * width // block)

    def _check_tensors(self, tensors: list[_Tensor]) -> None:
        alignment = self.numbers.get("general.alignment", 32)
        if alignment < 1 or alignment & (alignment - 1):
            raise self._wrong(f"general.alignment is {alignment}, which is no power of two")
        if not tensors:
            raise ModelFileError(
                f"{self.path} holds no complete weights (tensor_count is 0); fetch the file again."
            )
        first = -(-self.at // alignment) * alignment
        for tensor in tensors:
            if first + tensor.start + tensor.size > self.size:
                raise self._wrong(
                    f"the tensor {tensor.name!r} claims {tensor.size:,} bytes from byte "
                    f"{first + tensor.start:,} on, and the file has {self.size:,}"
                )
        for before, after in itertools.pairwise(sorted(tensors, key=lambda one: one.start)):
            if before.start + before.size > after.start:
                raise self._wrong(f"the tensors {before.name!r} and {after.name!r} overlap")
        self._check_blocks(tensors)

    def _check_blocks(self, tensors: list[_Tensor]) -> None:
        held = {int(found[1]) for tensor in tensors if (found := _BLOCK.match(tensor.name))}
        claims = {n: v for n, v in self.numbers.items() if n.endswith(".block_count")}
        # Without it a reader takes the number that models of the family usually have.
        wanted = f"{self.architecture}.block_count" if self.architecture else "block_count"
        if held and (wanted not in claims if self.architecture else not claims):
            raise self._wrong(f"it has tensors of {len(held):,} blocks and no field {wanted}")
        for name, value in claims.items():
            if not 0 < value <= (len(held) or _MOST_BLOCKS):
                raise self._wrong(
                    f"{name} claims {value:,} blocks, and there are tensors of {len(held):,}"
                )
