"""Follow one stack of a model through a forward pass: which block runs, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.errors import UnsupportedModelError
from cortexscope.models import Block, StackAnatomy
from cortexscope.records import Site, Stack
from cortexscope.taps._padding import TokenReader
from cortexscope.taps._routing import RouterNotes, Routing
from cortexscope.taps._rows import AttentionRows, HiddenStates
from cortexscope.taps._statistics import RowStatistics

__all__ = ["Place", "StackWatch"]


class Place(NamedTuple):
    """Where in the model an attention runs, as far as reading it depends on it."""

    tokens: Tensor
    """Which query positions are no padding, [prompt, query]."""
    head_after_query: bool
    """Whether scores are [prompt, query, head, key]."""
    cross: bool
    """Whether it looks at another stack."""


class StackWatch:
    """One stack, watched by hooks that are there until they are removed.

    Args:
        module: the whole model.
        anatomy: of the stack.
        outer_mask: what modules around the stack call the mask of its tokens.
        needs: what must be seen.
        begin: told when the stack starts to run, with its tokens.
        show: takes what is seen, in order.
        end: told when the stack is through.
    """

    def __init__(
        self,
        module: nn.Module,
        anatomy: StackAnatomy,
        *,
        outer_mask: str,
        needs: frozenset[str],
        begin: Callable[[StackWatch, Tensor], None],
        show: Callable[[Site, HiddenStates | AttentionRows | Routing], None],
        end: Callable[[StackWatch], None],
    ) -> None:
        self.anatomy = anatomy
        self._module = module
        self._kind = type(module).__name__
        self._needs = needs
        self._begin, self._show, self._end = begin, show, end
        self.backbone = module.get_submodule(anatomy.backbone)
        self._reader = TokenReader(
            module,
            anatomy.backbone,
            outer_mask=outer_mask,
            token_first=anatomy.peculiar.token_first_ends,
            refuse=self.refuse,
        )
        self._order = [module.get_submodule(block.path) for block in anatomy.blocks]
        self.reset()

    def reset(self) -> None:
        """Forget the pass that was under way."""
        self._tokens: Tensor | None = None
        self._inside: Tensor | None = None
        self._step = 0
        self._block: Block | None = None
        self._part: str | None = None
        self._notes: RouterNotes | None = None
        self.notes: RouterNotes | None = None
        """Of a router that may yet say something."""
        self._attended: set[Site] = set()

    @property
    def layer(self) -> int | None:
        """The layer whose block is running, None outside of the blocks."""
        return None if self._block is None else self._step + 1

    def place(self) -> Place | None:
        """Return where an attention that runs now belongs to, None if it is none to be seen."""
        block = self._block
        if block is None or self._inside is None:
            return None
        known = block.attention or block.mixers
        if known and self._part not in ("self", "cross"):
            return None
        if self._part == "router":
            return None
        return Place(
            self._inside, self.anatomy.peculiar.head_after_query, cross=self._part == "cross"
        )

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
            if block.router is not None:
                yield from self._hook_router(self._module.get_submodule(block.router), block)

    def _hook_attention(self, part: str, module: nn.Module) -> Iterator[RemovableHandle]:
        def enter(module: nn.Module, args: object) -> None:
            self._part = part

        def leave(module: nn.Module, args: object, output: object) -> None:
            self._part = None

        yield module.register_forward_pre_hook(enter)
        yield module.register_forward_hook(leave)

    def _hook_router(self, router: nn.Module, block: Block) -> Iterator[RemovableHandle]:
        def enter(module: nn.Module, args: object) -> None:
            self._part = "router"
            self.notes = self._notes = RouterNotes(block.expert_count)

        def leave(module: nn.Module, args: object, output: object) -> None:
            self._part = None
            if self._notes is not None:
                self._notes.leave(output)

        def chosen(module: nn.Module, args: object) -> None:
            self.notes = None

        yield router.register_forward_pre_hook(enter)
        yield router.register_forward_hook(leave)
        if block.experts is not None:
            experts = self._module.get_submodule(block.experts)
            yield experts.register_forward_pre_hook(chosen)

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
        self._tokens = self._inside = self._reader.read(args, kwargs)
        self._begin(self, self._tokens)

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
        if self._step == 0:
            states = args[0] if args else kwargs.get("hidden_states")
            self._inside = self._tokens_inside(states)
            if "hidden" in self._needs:
                self._hidden(0, states)
        self._block = self.anatomy.blocks[self._step]

    def _after_block(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        if self._tokens is None:
            return
        if self._notes is not None and "experts" in self._needs:
            self._routing(self._notes)
        if "hidden" in self._needs:
            self._hidden(self._step + 1, output[0] if isinstance(output, tuple | list) else output)
        self._block, self._part = None, None
        self._notes = self.notes = None
        self._step += 1

    def _after_forward(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        if self._tokens is None:
            return
        if self._step != len(self._order):
            raise self.refuse(f"{self._step} of its {len(self._order)} blocks have run")
        if "final" in self._needs:
            state = getattr(output, "last_hidden_state", None)
            if state is None:
                state = output[0] if isinstance(output, tuple | list) else output
            self._hidden(None, state)
        self.reset()
        self._reader.forget()
        self._end(self)

    def _tokens_inside(self, states: object) -> Tensor | None:
        """Return which positions of the blocks' states are no padding, also not of the model's."""
        tokens = self._tokens
        if tokens is None or not self.anatomy.peculiar.padded_inside:
            return tokens
        length = states.shape[1] if isinstance(states, Tensor) and states.dim() == 3 else 0
        return nn.functional.pad(tokens, (0, max(0, length - tokens.shape[1])), value=False)

    def _hidden(self, layer: int | None, states: object) -> None:
        peculiar = self.anatomy.peculiar
        tokens = self._tokens if layer is None else self._inside
        turned = peculiar.token_first_ends if layer is None else peculiar.token_first
        if turned and isinstance(states, Tensor) and states.dim() == 3:
            states = states.transpose(0, 1)
        if (
            tokens is None
            or not isinstance(states, Tensor)
            or states.dim() != 3
            or states.shape[:2] != tokens.shape
        ):
            raise self.refuse("its hidden states do not have the shape [prompt, token, feature]")
        with torch.no_grad():
            seen = HiddenStates(states, tokens.to(states.device))
            self._show(Site(self.anatomy.name, layer), seen)

    def attention(self, rows: RowStatistics, visible: Tensor) -> None:
        """Show the statistics of an attention that ran at the present place."""
        tokens, layer = self._inside, self.layer
        if tokens is None or layer is None:
            return
        if tokens.shape[1] == 1:
            rows, visible = _unpacked(rows, visible)
        some = rows.entropy if rows.entropy is not None else rows.first_key
        if some is None or (some.shape[0], some.shape[2]) != tuple(tokens.shape):
            raise self.refuse("its attention does not have one row a token")
        name: Stack = "cross" if self._part == "cross" else self.anatomy.name
        site = Site(name, layer)
        if site in self._attended:
            raise self.refuse("attention runs more than once")
        self._attended.add(site)
        seen = AttentionRows(
            tokens=tokens.to(some.device),
            visible=visible,
            entropy=rows.entropy,
            first_key=rows.first_key,
        )
        self._show(site, seen)

    def _routing(self, notes: RouterNotes) -> None:
        tokens, layer = self._inside, self.layer
        if tokens is None or layer is None:
            return
        with torch.no_grad():
            routing = notes.routing(tokens)
        if routing is not None:
            self._show(Site(self.anatomy.name, layer), routing)


def _unpacked(rows: RowStatistics, visible: Tensor) -> tuple[RowStatistics, Tensor]:
    """Return the rows of a single token, one a head.

    With few key heads, transformers hands the queries of a group to the kernel as if they were
    tokens, where there is only one token.
    """

    def unpacked(part: Tensor | None) -> Tensor | None:
        return None if part is None else part.flatten(1)[:, :, None]

    some = rows.entropy if rows.entropy is not None else rows.first_key
    if some is None or some.shape[2] == 1:
        return rows, visible
    counts = unpacked(visible.expand(-1, some.shape[1], -1))
    assert counts is not None
    return RowStatistics(unpacked(rows.entropy), unpacked(rows.first_key)), counts
