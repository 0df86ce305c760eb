"""Find the experts of a block by structure, and the router that scores them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Experts", "find_experts", "is_inside"]


def is_inside(path: str, outer: str) -> bool:
    """Return whether a module is another, or a part of it."""
    return path == outer or path.startswith(outer + ".")


class Experts(NamedTuple):
    """The experts of a block."""

    path: str
    """What holds them, from the block."""
    number: int
    around: str
    """Where their router is."""


def find_experts(block: nn.Module, apart: list[str]) -> tuple[Experts | None, str | None]:
    """Return the experts and their router; None where there are none, or it is not found."""
    for experts in _experts(block, apart):
        router = _router(block, experts)
        # Matrices in a row that nothing chooses among are experts only if their name says so.
        named = _is_called_experts(experts.path, block.get_submodule(experts.path))
        if router is not None or named:
            return experts, router
    return None, None


def _experts(block: nn.Module, apart: list[str]) -> Iterator[Experts]:
    """Yield where experts could be, and how many.

    They are matrices stacked along a first axis, in one module or in several side by side, or
    modules of one class in a list or a dictionary.
    """
    from torch import nn

    for path, part in block.named_modules():
        if not path or any(is_inside(path, other) for other in apart):
            continue
        above = path.rpartition(".")[0]
        stacked = list(_stacked(part))
        if len(stacked) > 1 and len(set(stacked)) == 1:
            yield Experts(path, stacked[0], above)
        beside = [sizes[0] for child in part.children() if len(sizes := [*_stacked(child)]) == 1]
        if len(beside) > 1 and len(set(beside)) == 1:
            yield Experts(path, beside[0], path)
        several = isinstance(part, nn.ModuleList | nn.ModuleDict) and len(part) > 1
        alike = len({type(item) for item in part.children()}) == 1
        if several and alike and _is_called_experts(path, part):
            yield Experts(path, len(part), above)


def _stacked(part: nn.Module) -> Iterator[int]:
    for parameter in part._parameters.values():
        if parameter is not None and parameter.dim() == 3 and parameter.shape[0] > 1:
            yield int(parameter.shape[0])


def _is_called_experts(path: str, part: nn.Module) -> bool:
    return "expert" in f"{path} {type(part).__name__}".lower()


def _router(block: nn.Module, experts: Experts) -> str | None:
    """Return the part beside the experts in which a matrix has one row for each of them."""
    for name, child in block.get_submodule(experts.around).named_children():
        path = f"{experts.around}.{name}".lstrip(".")
        if path == experts.path:
            continue
        weights = (p for part in child.modules() for p in part._parameters.values())
        if any(w is not None and w.dim() == 2 and w.shape[0] == experts.number for w in weights):
            return path
    return None
