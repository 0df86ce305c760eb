"""Follow what attention and the MLP of a block add to the residual stream, and the neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.models import Block
from cortexscope.taps._inputs import AttentionInput, HeadOutputs, MLPInput, Neurons
from cortexscope.taps._states import HiddenStates

__all__ = ["READ", "BranchWatch", "Part"]

READ: Mapping[str, type[HiddenStates]] = {
    "neurons": Neurons,
    "inputs.attention": AttentionInput,
    "inputs.heads": HeadOutputs,
    "inputs.mlp": MLPInput,
}
"""What a matrix of a block reads, by the need."""

Part = Literal["attention", "mlp"]


class _End(NamedTuple):
    """What a branch ended in."""

    address: int
    """Of the tensor that the model goes on with."""
    states: Tensor
    """A copy, since some blocks add in place."""
    scale: float
    """What the block multiplies it with."""


class BranchWatch:
    """The two branches of the blocks of one stack.

    A branch ends in a part that leads back to the width of the stream. Some blocks put a norm
    behind it before they add: then that norm is given the very tensor that the part made, and
    what it gives is the update. What a block multiplies it with is in the update, where the block
    has that number under a known name.

    Where blocks add and then norm, as BERT's do, the update is what they add before the norm. A
    block may add more than these two: what a mixer, cross-attention, or a further input gives.

    Args:
        module: the whole model.
        blocks: whose branches are followed; one that runs several times is given once.
        updates: whether what is added is wanted.
        needs: of them, what is read by matrices.
        show: takes that, and what kind it is.
    """

    def __init__(
        self,
        module: nn.Module,
        blocks: list[Block],
        *,
        updates: bool,
        needs: frozenset[str],
        show: Callable[[type[HiddenStates], Tensor], None],
    ) -> None:
        self._module = module
        self._blocks = blocks
        self._wants_updates = updates
        self._read = tuple(kind for need, kind in READ.items() if need in needs)
        self._show = show
        self._ends: dict[Part, _End] = {}

    def begin(self) -> None:
        """Forget the block before."""
        self._ends.clear()

    @property
    def updates(self) -> dict[Part, Tensor]:
        """What the branches of the running block have added so far."""
        return {
            part: end.states if end.scale == 1 else end.states * end.scale
            for part, end in self._ends.items()
        }

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        for block in self._blocks:
            readers = {
                Neurons: block.neurons,
                AttentionInput: block.attention_input,
                HeadOutputs: block.attention_output,
                MLPInput: block.mlp_input,
            }
            for kind in self._read:
                path = readers[kind]
                if path is not None:
                    matrix = self._module.get_submodule(path)
                    yield matrix.register_forward_pre_hook(self._before_matrix(kind))
            if not self._wants_updates:
                continue
            ends: tuple[tuple[Part, str | None, float], ...] = (
                ("attention", block.attention_output, block.attention_scale),
                ("mlp", block.mlp_output, block.mlp_scale),
            )
            for part, path, scale in ends:
                if path is not None:
                    end = self._module.get_submodule(path)
                    yield end.register_forward_hook(self._after_end(part, scale))
            for norm in self._module.get_submodule(block.path).modules():
                if "norm" in type(norm).__name__.lower():
                    yield norm.register_forward_hook(self._after_norm)

    def _before_matrix(self, kind: type[HiddenStates]) -> Callable[[nn.Module, Any], None]:
        def show(module: nn.Module, args: tuple[Any, ...]) -> None:
            if args and isinstance(args[0], Tensor):
                self._show(kind, args[0])

        return show

    def _after_end(self, part: Part, scale: float) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, args: object, output: Any) -> None:  # noqa: ANN401
            state = output[0] if isinstance(output, tuple | list) else output
            if isinstance(state, Tensor):
                self._ends[part] = _End(state.data_ptr(), state.detach().clone(), scale)

        return keep

    def _after_norm(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        if not args or not isinstance(args[0], Tensor) or not isinstance(output, Tensor):
            return
        for part, end in self._ends.items():
            if end.address == args[0].data_ptr() and _same_bits(end.states, args[0]):
                self._ends[part] = _End(output.data_ptr(), output.detach().clone(), end.scale)


def _same_bits(kept: Tensor, given: Tensor) -> bool:
    """Return whether a norm is given a branch's output and not, in its place, a sum with it."""
    if kept.dtype != given.dtype or kept.numel() != given.numel():
        return False
    one, other = (x.reshape(-1).view(torch.uint8) for x in (kept, given))
    return torch.equal(one, other)
