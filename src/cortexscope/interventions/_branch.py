"""One branch of a block that adds nothing: what attention and MLP have in common."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from cortexscope.interventions import _hooks as hooks
from cortexscope.models import Block

__all__ = ["silence"]


def silence(
    root: nn.Module,
    block: Block,
    end: str,
    removed: tuple[hooks.Removed, ...],
    exits: ExitStack,
) -> None:
    """Have a branch of a block add nothing, until the exits are closed.

    Its last part gives zeros. Where a norm stands between that and the sum, what it makes of them,
    its bias, is no part of the stream either.

    Args:
        root: the whole model.
        block: of it.
        end: path of what leads back to the stream.
        removed: what is taken out by it.
        exits: closing them takes it back.
    """
    last = _End(removed)
    hooks.after(root.get_submodule(end), last, exits)
    inside = {id(part) for part in root.get_submodule(end).modules()}
    for norm in root.get_submodule(block.path).modules():
        if "norm" in type(norm).__name__.lower() and id(norm) not in inside:
            hooks.after(norm, _Norm(last), exits)


class _End(hooks.Hook):
    def __init__(self, removed: tuple[hooks.Removed, ...]) -> None:
        self.removed = removed
        self.nothing: Tensor | None = None
        """What it gave last."""

    def after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401
        given = hooks.first_of(output, {})
        if given is None:
            return None
        self.nothing = torch.zeros_like(given)
        return hooks.with_first(output, self.nothing)


class _Norm(hooks.Hook):
    def __init__(self, end: _End) -> None:
        self._end = end

    def after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401
        given, nothing = hooks.first_of(args, kwargs), self._end.nothing
        if nothing is None or not isinstance(output, Tensor):
            return None
        # A block that adds in place gives a sum under the same name.
        if given is not nothing or bool(nothing.any()):
            return None
        self._end.nothing = torch.zeros_like(output)
        return self._end.nothing
