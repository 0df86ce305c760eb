"""The matrices of blocks by group: those of attention, of mixers, of the MLP, or all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from cortexscope.errors import UsageError
from cortexscope.interventions._places import Place, places_of, written
from cortexscope.interventions._target import Target
from cortexscope.models import Block
from cortexscope.models import matrices as find_matrices

__all__ = ["Group", "Matrix", "weight_of"]

_GROUP = re.compile(r"(?P<part>attention|mlp)?(?:\.?(?P<places>(?:encoder\.|decoder\.)?\d.*))?")


class Matrix(NamedTuple):
    """One matrix of a block."""

    path: str
    inputs: int
    outputs: int


class Group(NamedTuple):
    """Which matrices."""

    places: tuple[Place, ...] | None = None
    """Layers; None for all."""
    part: str | None = None
    """`attention` or `mlp` alone; None for both, and mixers with them."""

    @classmethod
    def parse(cls, text: str) -> Group:
        """Return the group that a user typed.

        Raises:
            UsageError: if it is none.

        Example:
            >>> str(Group.parse("mlp.3-5")), str(Group.parse("12")), str(Group.parse("all"))
            ('mlp.3-5', '12', 'all')
        """
        match = _GROUP.fullmatch(text)
        if text == "all":
            return cls()
        if match is None or not text:
            raise UsageError(
                f"{text!r} names no matrices; write all, attention, mlp, layers such as 3-5, or "
                "both such as mlp.3-5."
            )
        places = None if match["places"] is None else places_of(match["places"])
        return cls(places, match["part"])

    def __str__(self) -> str:
        places = None if self.places is None else written(self.places)
        return ".".join(piece for piece in (self.part, places) if piece is not None) or "all"

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return 1 if self.places is None else min(place.layer for place in self.places)

    def matrices(self, target: Target, *, mixers: bool = True) -> list[Matrix]:
        """Return them, each once.

        Args:
            target: the model.
            mixers: whether those of recurrent mixers are among all.

        Raises:
            UsageError: if there are none, or experts are in their place.
        """
        found = [
            matrix
            for place, block in self._blocks(target)
            for matrix in self._of(target, place, block, mixers=mixers)
        ]
        if not found:
            raise target.refuse(f"The matrices of {self}", "none were found")
        return list(dict.fromkeys(found))

    def _blocks(self, target: Target) -> Iterator[tuple[Place, Block]]:
        if self.places is not None:
            yield from ((place, target.block(place)) for place in self.places)
            return
        for place in target.layers():
            yield place, target.stack(place).blocks[place.layer - 1]

    def _of(self, target: Target, place: Place, block: Block, *, mixers: bool) -> Iterator[Matrix]:
        homes: list[str] = []
        if self.part != "mlp":
            homes += [path for path in (block.attention, block.cross_attention) if path]
        if self.part is None and mixers:
            homes += [mixer.path for mixer in block.mixers]
        for home in homes:
            for one in find_matrices(target.part(home)):
                yield Matrix(f"{home}.{one.path}".rstrip("."), one.inputs, one.outputs)
        if self.part == "attention":
            return
        if block.experts is not None:
            raise target.refuse(
                f"The MLP of layer {place}",
                "its experts are computed together from tensors that hold them all; write "
                f"attention{'' if self.places is None else '.' + written(self.places)} for the "
                "matrices of attention alone",
            )
        for path in block.mlp:
            one = next(find_matrices(target.part(path)))
            yield Matrix(path, one.inputs, one.outputs)


def weight_of(target: Target, matrix: Matrix) -> Tensor:
    """Return the weight of a matrix, as its module holds it.

    Raises:
        UsageError: if it is kept in fewer bits than it is computed with.
    """
    weight = getattr(target.part(matrix.path), "weight", None)
    sizes = {(matrix.inputs, matrix.outputs), (matrix.outputs, matrix.inputs)}
    if isinstance(weight, Tensor) and weight.is_floating_point() and tuple(weight.shape) in sizes:
        return weight
    raise target.refuse(matrix.path, "its weights are not kept as plain numbers")
