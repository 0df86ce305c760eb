"""Follow what attention and the MLP of a block add to the residual stream, and the neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.models import Block

__all__ = ["BranchWatch"]

Part = Literal["attention", "mlp"]


class BranchWatch:
    """The two branches of the blocks of one stack.

    A branch ends in a matrix that leads back to the width of the stream. Some blocks put a norm
    behind it before they add: then that norm is given the very tensor that the matrix made, and
    what it gives is the update.

    Args:
        module: the whole model.
        blocks: whose branches are followed; one that runs several times is given once.
        updates: whether what is added is wanted.
        neurons: takes what the down projection reads; None where nobody wants it.
    """

    def __init__(
        self,
        module: nn.Module,
        blocks: list[Block],
        *,
        updates: bool,
        neurons: Callable[[Tensor], None] | None,
    ) -> None:
        self._module = module
        self._blocks = blocks
        self._wants_updates = updates
        self._neurons = neurons
        self.updates: dict[Part, Tensor] = {}
        """What the branches of the running block have added so far."""

    def begin(self) -> None:
        """Forget the block before."""
        self.updates.clear()

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        for block in self._blocks:
            if self._neurons is not None and block.neurons is not None:
                down = self._module.get_submodule(block.neurons)
                yield down.register_forward_pre_hook(self._before_down)
            if not self._wants_updates:
                continue
            ends: tuple[tuple[Part, str | None], ...] = (
                ("attention", block.attention_output),
                ("mlp", block.mlp_output),
            )
            for part, path in ends:
                if path is not None:
                    end = self._module.get_submodule(path)
                    yield end.register_forward_hook(self._after_end(part))
            for norm in self._module.get_submodule(block.path).modules():
                if "norm" in type(norm).__name__.lower():
                    yield norm.register_forward_hook(self._after_norm)

    def _before_down(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if self._neurons is not None and args and isinstance(args[0], Tensor):
            self._neurons(args[0])

    def _after_end(self, part: Part) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, args: object, output: Any) -> None:  # noqa: ANN401
            state = output[0] if isinstance(output, tuple | list) else output
            if isinstance(state, Tensor):
                self.updates[part] = state.detach()

        return keep

    def _after_norm(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        if not args or not isinstance(args[0], Tensor) or not isinstance(output, Tensor):
            return
        for part, state in self.updates.items():
            if state.data_ptr() == args[0].data_ptr() and state.numel() == args[0].numel():
                self.updates[part] = output.detach()
