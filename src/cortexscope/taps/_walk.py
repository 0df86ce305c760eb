"""Follow the blocks of a stack through a forward pass: which one runs, and on which tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.errors import UnsupportedModelError
from cortexscope.models import Block, StackAnatomy
from cortexscope.taps._padding import TokenReader
from cortexscope.taps._tokens import Tokens

__all__ = ["Walk"]


class Walk:
    """Where a pass through a stack is, by hooks that are there until they are removed.

    What comes of it is for those who take it further: as the pass goes on `begun` is called,
    `entered` and `left` for each block, `through` and `over`.

    Args:
        module: the whole model.
        anatomy: of the stack.
        outer_mask: what modules around the stack call the mask of its tokens.
        sample: how many tokens of a prompt stand for it; all where None.
    """

    def __init__(
        self, module: nn.Module, anatomy: StackAnatomy, *, outer_mask: str, sample: int | None
    ) -> None:
        self.anatomy = anatomy
        self._module = module
        self._kind = type(module).__name__
        self._sample = sample
        self.backbone = module.get_submodule(anatomy.backbone)
        self._reader = TokenReader(
            module,
            anatomy.backbone,
            outer_mask=outer_mask,
            token_first=anatomy.peculiar.token_first_ends,
            refuse=self.refuse,
        )
        self._order = [module.get_submodule(block.path) for block in anatomy.blocks]

    def reset(self) -> None:
        """Forget the pass that was under way."""
        self._tokens: Tensor | None = None
        self._inside: Tokens | None = None
        self._step = 0
        self._block: Block | None = None
        self._part: str | None = None
        self._sink = False

    def begun(self, tokens: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The stack begins to run, with these tokens and inputs."""

    def entered(self, states: object) -> None:
        """The next block begins, with these states."""

    def left(self, states: object) -> None:
        """That block is over, and gave these states."""

    def through(self, output: Any) -> None:  # noqa: ANN401
        """The stack is through, and gave this; the pass is forgotten after it."""

    def over(self) -> None:
        """The pass is over, and forgotten."""

    @property
    def layer(self) -> int | None:
        """The layer whose block is running, None outside of the blocks."""
        return None if self._block is None else self._step + 1

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        yield from self._reader.hook()
        yield self.backbone.register_forward_pre_hook(self._before_forward, with_kwargs=True)
        yield self.backbone.register_forward_hook(self._after_forward)
        for module in dict.fromkeys(self._order):
            yield module.register_forward_pre_hook(self._before_block, with_kwargs=True)
            yield module.register_forward_hook(self._after_block)
        for block in dict.fromkeys(self.anatomy.blocks):
            for part, path in (("self", block.attention), ("cross", block.cross_attention)):
                if path is not None:
                    yield from self._hook_attention(part, self._module.get_submodule(path))

    def _hook_attention(self, part: str, module: nn.Module) -> Iterator[RemovableHandle]:
        # Some attention has a sink a head, a logit that is no key's.
        sink = any(name.startswith("sink") for m in module.modules() for name in m._parameters)

        def enter(module: nn.Module, args: object) -> None:
            self._part, self._sink = part, sink

        def leave(module: nn.Module, args: object, output: object) -> None:
            self._part, self._sink = None, False

        yield module.register_forward_pre_hook(enter)
        yield module.register_forward_hook(leave)

    def refuse(self, what: str) -> UnsupportedModelError:
        """Return the error that says what is not as it should be, and where."""
        where = "" if self.layer is None else f" in block {self.layer}"
        if where and self.anatomy.has_cross_attention:
            where += " of the decoder"
        return UnsupportedModelError(f"{self._kind} cannot be measured: {what}{where}.")

    def _before_forward(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.reset()
        if torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
            raise self.refuse("a CUDA graph is captured of it, in which no number can be read")
        self._tokens = self._reader.read(args, kwargs)
        self._inside = self._places(self._tokens)
        self.begun(self._tokens, args, kwargs)

    def _before_block(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if self._tokens is None:
            return
        if self._step >= len(self._order) or self._order[self._step] is not module:
            raise self.refuse(
                f"after {self._step} of its {len(self._order)} blocks one runs that was not to "
                "come, twice or out of order"
            )
        states = args[0] if args else kwargs.get("hidden_states")
        if self._step == 0 and self.anatomy.peculiar.padded_inside:
            self._inside = self._tokens_inside(states)
        self.entered(states)
        self._block = self.anatomy.blocks[self._step]

    def _after_block(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        if self._tokens is None:
            return
        self.left(output[0] if isinstance(output, tuple | list) else output)
        self._block, self._part = None, None
        self._step += 1

    def _after_forward(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        if self._tokens is None:
            return
        if self._step != len(self._order):
            raise self.refuse(f"{self._step} of its {len(self._order)} blocks have run")
        self.through(output)
        self.reset()
        self._reader.forget()
        self.over()

    def _tokens_inside(self, states: object) -> Tokens:
        """Return which positions of the blocks' states are no padding of the model's own."""
        assert self._tokens is not None
        length = states.shape[1] if isinstance(states, Tensor) and states.dim() == 3 else 0
        more = max(0, length - self._tokens.shape[1])
        return self._places(nn.functional.pad(self._tokens, (0, more), value=False))

    def _places(self, mask: Tensor) -> Tokens:
        """Return where tokens are, and how many of each prompt came in earlier passes."""
        so_far, before = self._reader.so_far, None
        if so_far is not None and self._tokens is not None:
            before = so_far[:, : so_far.shape[1] - self._tokens.shape[1]].sum(-1)
        return Tokens(mask, sample=self._sample, before=before)
