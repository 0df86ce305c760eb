"""Give again what blocks gave in an earlier pass, so that only those from a layer on are run.

Blocks from a layer on can be run for several parts at once, each with states of its own: products
of few rows take longer a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cortexscope.errors import ModelError
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

    def gave(self, step: int) -> Any:  # noqa: ANN401
        """Return what a block gave in the pass that was kept."""
        return self._kept[step]

    def forget(self) -> None:
        """Keep nothing any more."""
        self._kept = []

    @contextmanager
    def given_again(self, before: int, until: int | None = None) -> Iterator[list[Any]]:
        """Have blocks give what they gave in the pass that was kept, but for those between.

        Args:
            before: how many blocks there are before those that are run.
            until: how many with those that are run, all where None.

        Yields:
            What the last block that is run gives, once the pass is over.
        """
        runs = range(before, len(self._order) if until is None else until)
        found: list[Any] = []

        def give(step: int) -> Any:  # noqa: ANN401
            # No others are read by what runs.
            read = step in (before - 1, len(self._order) - 1)
            return _copied(self._kept[step]) if read else self._kept[step]

        def keep(module: nn.Module, args: object, output: object) -> None:
            if self._step == runs.stop:
                found.append(output)

        with self._run(runs, give), ExitStack() as exits:
            if runs:
                # After the hooks of those who change what the block gives.
                exits.callback(self._order[runs[-1]].register_forward_hook(keep).remove)
            yield found

    @contextmanager
    def given(self, steps: int, outputs: Sequence[Any]) -> Iterator[None]:
        """Have the first blocks give as many times the prompts, of which each has its own states.

        Args:
            steps: how many of them.
            outputs: what the last of them gave in several passes over the prompts that were kept.

        Raises:
            ModelError: if these are nothing that is known to hold states.
        """
        first = max(own for own in self._first.values() if own < steps)
        joined = _joined(outputs)

        def give(step: int) -> Any:  # noqa: ANN401
            if step < first:
                # Of an encoder, which decoder blocks read.
                return _joined([self._kept[step]] * len(outputs))
            return _copied(joined) if step == steps - 1 else joined

        with self._run(range(steps, len(self._order)), give):
            yield

    @contextmanager
    def _run(self, runs: range, give: Callable[[int], Any]) -> Iterator[None]:
        """Run only some blocks in a pass; `give` makes what each of the others gives."""

        def act(forward: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            step, self._step = self._step, self._step + 1
            return forward(*args, **kwargs) if step in runs else give(step)

        self._step = 0
        with ExitStack() as exits:
            for block in dict.fromkeys(self._order):
                stand_for(block, act, exits)
            yield


def _copied(output: Any) -> Any:  # noqa: ANN401 - what blocks give
    """Return what a block gave with a copy of its states, which come first."""
    if isinstance(output, Tensor):
        return output.clone()
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return type(output)((output[0].clone(), *output[1:]))
    return output


def _joined(outputs: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return what a block would give of the prompts of all passes, one after the other.

    Raises:
        ModelError: if it is nothing that is known to hold states.
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        return torch.cat(list(outputs))
    if isinstance(first, tuple | list) and first and isinstance(first[0], Tensor):
        prompts = len(first[0])
        return type(first)(
            torch.cat(own) if isinstance(own[0], Tensor) and len(own[0]) == prompts else own[0]
            for own in zip(*outputs, strict=True)
        )
    raise ModelError(f"Blocks give {type(first).__name__}, of which no states are known.")
