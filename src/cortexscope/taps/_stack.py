"""Follow one stack of a model through a forward pass: which block runs, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.errors import UnsupportedModelError
from cortexscope.models import Block, StackAnatomy
from cortexscope.records import Site, Stack
from cortexscope.taps._attention_rows import AttentionRows, AttentionSample
from cortexscope.taps._branches import BranchWatch
from cortexscope.taps._lens import LensReader
from cortexscope.taps._mixing import MixerNotes, MixerWatch, Mixing
from cortexscope.taps._padding import TokenReader
from cortexscope.taps._place import Place
from cortexscope.taps._predictions import PredictionReader, Unread
from cortexscope.taps._routing import RouterNotes, RouterWatch
from cortexscope.taps._seen import Seen
from cortexscope.taps._states import HiddenStates, Update
from cortexscope.taps._statistics import Rows, Statistics
from cortexscope.taps._tokens import Tokens

__all__ = ["Reader", "StackWatch"]

Reader = PredictionReader | LensReader
"""Makes predictions of the states of a stack."""

_STATES = frozenset({"hidden", "updates", "lens"})


class StackWatch:
    """One stack, watched by hooks that are there until they are removed.

    Args:
        module: the whole model.
        anatomy: of the stack.
        outer_mask: what modules around the stack call the mask of its tokens.
        needs: what must be seen.
        sample: how many tokens of a prompt stand for it; all where None.
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
        sample: int | None,
        begin: Callable[[StackWatch, Tensor], None],
        show: Callable[[Site, Seen | Unread], None],
        end: Callable[[StackWatch], None],
    ) -> None:
        self.anatomy = anatomy
        self._module = module
        self._kind = type(module).__name__
        self._needs = needs
        self._sample = sample
        self._begin, self._show, self._end = begin, show, end
        self.readers: tuple[Reader, ...] = ()
        """Those of the stack that the model's head reads."""
        self.backbone = module.get_submodule(anatomy.backbone)
        self._reader = TokenReader(
            module,
            anatomy.backbone,
            outer_mask=outer_mask,
            token_first=anatomy.peculiar.token_first_ends,
            refuse=self.refuse,
        )
        self._order = [module.get_submodule(block.path) for block in anatomy.blocks]
        self._branches = BranchWatch(
            module,
            list(dict.fromkeys(anatomy.blocks)),
            updates="updates" in needs,
            needs=needs,
            show=self._show_read,
        )
        self._mixers = MixerWatch(
            module,
            list(dict.fromkeys(anatomy.blocks)),
            needs=needs,
            inside=lambda: self._inside,
            show=self._show_mixing,
        )
        self._routers = RouterWatch(module, list(dict.fromkeys(anatomy.blocks)))
        self.reset()

    def reset(self) -> None:
        """Forget the pass that was under way."""
        self._tokens: Tensor | None = None
        self._inside: Tokens | None = None
        self._last: HiddenStates | None = None
        self._step = 0
        self._block: Block | None = None
        self._part: str | None = None
        self._sink = False
        self._attended: set[Site] = set()
        self._mixers.notes = None
        self._routers.forget()

    @property
    def layer(self) -> int | None:
        """The layer whose block is running, None outside of the blocks."""
        return None if self._block is None else self._step + 1

    @property
    def notes(self) -> RouterNotes | None:
        """What is heard of a router that may yet say something, None where there is none."""
        return self._routers.notes

    @property
    def mixing(self) -> MixerNotes | None:
        """What is heard of the mixer that is running, None where none is."""
        return self._mixers.notes

    def place(self) -> Place | None:
        """Return where an attention that runs now belongs to, None if it is none to be seen."""
        block = self._block
        if block is None or self._inside is None:
            return None
        known = block.attention or block.mixers
        if known and self._part not in ("self", "cross"):
            return None
        if self._routers.running:
            return None
        return Place(
            self._inside.mask,
            self.anatomy.peculiar.head_after_query,
            cross=self._part == "cross",
            sink=self._sink,
            so_far=self._reader.so_far,
        )

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        yield from self._reader.hook()
        yield from self._branches.hook()
        yield from self._mixers.hook()
        yield from self._routers.hook()
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
        for reader in self.readers:
            reader.begin(args, kwargs)
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
            if self.anatomy.peculiar.padded_inside:
                self._inside = self._tokens_inside(states)
            if self._needs & _STATES:
                self._hidden(0, states)
        self._block = self.anatomy.blocks[self._step]
        self._branches.begin()

    def _after_block(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        if self._tokens is None:
            return
        if "experts" in self._needs:
            self._routing()
        self._show_updates()
        if self._needs & _STATES:
            self._hidden(self._step + 1, output[0] if isinstance(output, tuple | list) else output)
        self._block, self._part = None, None
        self._routers.forget()
        self._step += 1

    def _after_forward(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        if self._tokens is None:
            return
        if self._step != len(self._order):
            raise self.refuse(f"{self._step} of its {len(self._order)} blocks have run")
        if "final" in self._needs or self.readers:
            state = getattr(output, "last_hidden_state", None)
            if state is None:
                state = output[0] if isinstance(output, tuple | list) else output
            self._hidden(None, state)
        self.reset()
        self._reader.forget()
        self._end(self)

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

    def _hidden(self, layer: int | None, states: object) -> None:
        peculiar = self.anatomy.peculiar
        inside = self._inside
        if layer is None and peculiar.padded_inside and self._tokens is not None:
            inside = self._places(self._tokens)
        turned = peculiar.token_first_ends if layer is None else peculiar.token_first
        if turned and isinstance(states, Tensor) and states.dim() == 3:
            states = states.transpose(0, 1)
        if (
            inside is None
            or not isinstance(states, Tensor)
            or states.dim() != 3
            or states.shape[:2] != inside.mask.shape
        ):
            raise self.refuse("its hidden states do not have the shape [prompt, token, feature]")
        before = None if layer is None else self._last
        if before is not None and before.values.device != states.device:
            before = None
        with torch.no_grad():
            seen = HiddenStates(states, inside.to(states.device), before=before)
            if ("final" if layer is None else "hidden") in self._needs:
                self._show(Site(self.anatomy.name, layer), seen)
            self._predict(layer, states, seen.positions)
        if layer is not None:
            self._last = seen.lean()

    def _predict(self, layer: int | None, states: Tensor, positions: Tokens) -> None:
        for reader in self.readers:
            if layer is not None:
                reader.layer(layer, states, positions)
                continue
            for place, seen in reader.read(states, positions):
                self._show(Site(self.anatomy.name, place), seen)

    def _shaped(self, states: Tensor) -> Tensor | None:
        """Return what one part of a block gave as [prompt, token, feature]; None if it is not."""
        if self._inside is None:
            return None
        prompts, length = self._inside.mask.shape
        if self.anatomy.peculiar.token_first and states.dim() == 3:
            states = states.transpose(0, 1)
        if states.dim() == 2 and states.shape[0] == prompts * length:
            states = states.unflatten(0, (prompts, length))
        return states if states.dim() == 3 and states.shape[:2] == (prompts, length) else None

    def _show_read(self, kind: type[HiddenStates], entries: Tensor) -> None:
        states, layer = self._shaped(entries), self.layer
        if states is None or layer is None or self._inside is None:
            return
        with torch.no_grad():
            self._show(Site(self.anatomy.name, layer), kind(states, self._inside.to(states.device)))

    def _show_mixing(self, mixing: Mixing) -> None:
        if self.layer is not None:
            self._show(Site(self.anatomy.name, self.layer), mixing)

    def _show_updates(self) -> None:
        stream, layer = self._last, self.layer
        if stream is None or layer is None or "updates" not in self._needs:
            return
        with torch.no_grad():
            for part, output in self._branches.updates.items():
                states = self._shaped(output)
                if states is not None and states.shape[-1] == stream.width:
                    added = HiddenStates(states, stream.positions.to(states.device))
                    self._show(Site(self.anatomy.name, layer), Update(part, added, stream))
        self._branches.begin()

    def attention(self, rows: Statistics, visible: Tensor, whole: Rows) -> None:
        """Show the statistics of an attention that ran at the present place."""
        inside, layer = self._inside, self.layer
        if inside is None or layer is None:
            return
        some = next(iter(rows.values()), None)
        prompts = len(inside.mask) if some is None else len(some)
        if (prompts, visible.shape[-1]) != inside.mask.shape:
            raise self.refuse("its attention does not have one row a token")
        name: Stack = "cross" if self._part == "cross" else self.anatomy.name
        site = Site(name, layer)
        if site in self._attended:
            raise self.refuse("attention runs more than once")
        self._attended.add(site)
        positions = inside.to(visible.device)
        if some is not None:
            self._show(site, AttentionRows(positions, visible, rows))
        if "attention.rows" in self._needs and not self.anatomy.peculiar.head_after_query:
            self._whole_rows(site, positions, whole)

    def _whole_rows(self, site: Site, positions: Tokens, whole: Rows) -> None:
        chosen, every = positions.sample, positions.sampled
        for part in whole(None if chosen is None else chosen.where):
            whole_sample = part.queries.shape[-1] == every.mask.shape[1]
            # The same object in every layer, so that numbers of layers can be summed together.
            here = every if whole_sample else every.part(part.places)
            self._show(site, AttentionSample(here, *part[1:]))

    def _routing(self) -> None:
        tokens, layer = self._inside, self.layer
        if tokens is None or layer is None:
            return
        with torch.no_grad():
            routing = self._routers.routing(tokens.mask)
        if routing is not None:
            self._show(Site(self.anatomy.name, layer), routing)
