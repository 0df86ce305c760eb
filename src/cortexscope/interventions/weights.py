"""Matrices rounded, pruned, or replaced by ones of low rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from cortexscope.interventions._edit import Edit
from cortexscope.interventions._matrices import Group, Matrix, weight_of
from cortexscope.interventions._reading import Readings, Wanted
from cortexscope.interventions._reducing import Reduction
from cortexscope.interventions._replacing import replace_tensor
from cortexscope.interventions._target import Target

__all__ = ["Weights"]


@dataclass(frozen=True, slots=True)
class Weights(Edit):
    """Replaces the weights of matrices by coarser ones; what is computed with them stays.

    Embeddings, norms, biases and routers stay as they are. `Reduction` says what becomes of a
    matrix. It is a simulation: as many bytes are kept as before, in the same dtype.
    """

    kind: ClassVar[str] = "weights"

    group: Group
    reduction: Reduction

    @classmethod
    def parse(cls, where: str, how: str | None) -> Weights:
        """Return what a user typed, of all layers where none is named."""
        if how is None:
            return cls(Group(), Reduction.parse(where))
        return cls(Group.parse(where), Reduction.parse(how))

    @classmethod
    def parts(cls, target: Target) -> Iterator[Weights]:
        """Yield nothing: coarser weights are no part of a model."""
        yield from ()

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return self.group.first_layer

    def __str__(self) -> str:
        front = "" if self.group == Group() else f"{self.group}="
        return f"{self.kind}:{front}{self.reduction}"

    def check(self, target: Target) -> None:
        """Refuse matrices that are not kept as plain numbers, or shared with those left alone."""
        chosen = {path: id(weight) for path, weight in self.weights(target)}
        shared = set(chosen.values())
        for path, part in target.module.named_modules(remove_duplicate=False):
            weight = part._parameters.get("weight")
            if weight is not None and id(weight) in shared and path not in chosen:
                name = next(name for name, one in chosen.items() if one == id(weight))
                raise target.refuse(name, f"it shares its weights with {path}")

    def weights(self, target: Target) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights of the matrices."""
        for matrix in self.group.matrices(target):
            yield matrix.path, weight_of(target, matrix)

    def wanted(self, target: Target) -> Mapping[str, Wanted]:
        """Return the norms of what each matrix reads, where they decide what is pruned."""
        if self.reduction.method != "wanda":
            return {}
        return {one.path: Wanted(one.path, "input", "norms") for one in self.group.matrices(target)}

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Replace them."""
        for matrix in self.group.matrices(target):
            weight = weight_of(target, matrix)
            if weight.is_meta:
                raise target.refuse(matrix.path, "its weights are moved while the model runs")
            turned = _is_turned(target.part(matrix.path))
            rows = weight.T if turned else weight
            found = self.reduction.of(rows, readings.get(matrix.path))
            replace_tensor(_holder(target, matrix), "weight", found.T if turned else found, exits)


def _holder(target: Target, matrix: Matrix) -> nn.Module:
    """Return the module that holds a weight: of a wrapper, the one inside."""
    part = target.part(matrix.path)
    weight = weight_of(target, matrix)
    return next(p for p in part.modules() if p._parameters.get("weight") is weight)


def _is_turned(part: nn.Module) -> bool:
    """Return whether a matrix is kept as [input, output], as the Conv1D of transformers does."""
    return not hasattr(part, "in_features") and hasattr(part, "nx")
