"""Give again what blocks gave in an earlier pass, so that only those from a layer on are run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from cortexscope.lesioning._forward import stand_for
from cortexscope.models import Anatomy
from cortexscope.records import Stack

__all__ = ["Blocks"]


class Blocks:
    """The blocks of a model in the order they run, and what they gave in one pass.

    Everything outside of them runs in every pass: embeddings, masks, norms after the last.

    Args:
        module: the whole model.
        anatomy: of it.
    """

    def __init__(self, module: nn.Module, anatomy: Anatomy) -> None:
        self._order = [
            module.get_submodule(block.path) for stack in anatomy.stacks for block in stack.blocks
        ]
        self._first: dict[Stack, int] = {}
        for stack in anatomy.stacks:
            before = sum(len(own.blocks) for own in anatomy.stacks[: len(self._first)])
            self._first[stack.name] = before
        self._kept: list[Any] = []
        self._step = 0

    @property
    def steps(self) -> range:
        """How many blocks may be given again."""
        return range(1, len(self._order) + 1)

    def before(self, stack: Stack, layer: int) -> int:
        """Return how many blocks run before the one that gives a layer."""
        return self._first[stack] + layer - 1

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what each block gives in the pass made meanwhile, and nothing of one before."""
        self._kept = []
        with ExitStack() as exits:
            for block in dict.fromkeys(self._order):
                exits.callback(block.register_forward_hook(self._keep).remove)
            yield

    def _keep(self, module: nn.Module, args: object, output: object) -> None:
        # A block that comes later may add to a state in place.
        self._kept.append(_copied(output))

    def forget(self) -> None:
        """Keep nothing any more."""
        self._kept = []

    @contextmanager
    def given_again(self, steps: int) -> Iterator[None]:
        """Have the first blocks give what they gave in the pass that was kept.

        Args:
            steps: how many of them.
        """
        self._step = 0
        with ExitStack() as exits:
            for block in dict.fromkeys(self._order):
                stand_for(block, partial(self._give, steps), exits)
            yield

    def _give(self, steps: int, forward: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        step, self._step = self._step, self._step + 1
        if step >= steps:
            return forward(*args, **kwargs)
        # Only the last one's states are read by a block that runs.
        return _copied(self._kept[step]) if step == steps - 1 else self._kept[step]


def _copied(output: Any) -> Any:  # noqa: ANN401 - what blocks give
    """Return what a block gave with a copy of its states, which come first."""
    if isinstance(output, Tensor):
        return output.clone()
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return type(output)((output[0].clone(), *output[1:]))
    return output
