"""What one stack of a model shows in a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.models import StackAnatomy
from cortexscope.records import Site, Stack
from cortexscope.taps._attention_rows import AttentionRows, AttentionSample
from cortexscope.taps._branches import BranchWatch
from cortexscope.taps._lens import LensReader
from cortexscope.taps._mixing import MixerNotes, MixerWatch, Mixing
from cortexscope.taps._place import Place
from cortexscope.taps._predictions import PredictionReader, Unread
from cortexscope.taps._routing import RouterNotes, RouterWatch
from cortexscope.taps._seen import Seen
from cortexscope.taps._states import HiddenStates
from cortexscope.taps._statistics import Rows, Statistics
from cortexscope.taps._tokens import Tokens
from cortexscope.taps._updates import Update
from cortexscope.taps._walk import Walk

__all__ = ["Reader", "StackWatch"]

Reader = PredictionReader | LensReader
"""Makes predictions of the states of a stack."""

# What is done with what a model computes is no part of it, and need not be heard: each call of
# torch would take twice as long.
unheard = torch._C.DisableTorchFunction

_STATES = frozenset({"hidden", "updates", "lens"})


class StackWatch(Walk):
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
        super().__init__(module, anatomy, outer_mask=outer_mask, sample=sample)
        self._needs = needs
        self._begin, self._show, self._end = begin, show, end
        self.readers: tuple[Reader, ...] = ()
        """Those of the stack that the model's head reads."""
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
        super().reset()
        self._last: HiddenStates | None = None
        self._attended: set[Site] = set()
        self._mixers.notes = None
        self._routers.forget()

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
            sample=self._inside.sample_or_all if "attention.rows" in self._needs else None,
            so_far=self._reader.so_far,
        )

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        yield from self._branches.hook()
        yield from self._mixers.hook()
        yield from self._routers.hook()
        yield from super().hook()

    def begun(self, tokens: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Tell who predicts of the states, and who asked, that the stack begins."""
        for reader in self.readers:
            reader.begin(args, kwargs)
        self._begin(self, tokens)

    def entered(self, states: object) -> None:
        """Show what the first block reads."""
        with unheard():
            if self._step == 0 and self._needs & _STATES:
                self._hidden(0, states)
            self._branches.begin()

    def left(self, states: object) -> None:
        """Show what a block did, and what it gave."""
        with unheard():
            if "experts" in self._needs:
                self._routing()
            self._show_updates()
            if self._needs & _STATES:
                self._hidden(self._step + 1, states)
            self._routers.forget()

    def through(self, output: Any) -> None:  # noqa: ANN401
        """Show the last states."""
        if "final" in self._needs or self.readers:
            state = getattr(output, "last_hidden_state", None)
            if state is None:
                state = output[0] if isinstance(output, tuple | list) else output
            with unheard():
                self._hidden(None, state)

    def over(self) -> None:
        """Tell who asked."""
        self._end(self)

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
            seen = HiddenStates.taken(states, inside.to(states.device), before=before)
            if ("final" if layer is None else "hidden") in self._needs:
                self._show(Site(self.anatomy.name, layer), seen)
            self._predict(layer, states, seen.positions)
        if layer is not None:
            self._last = seen.kept()

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
        with unheard(), torch.no_grad():
            states, layer = self._shaped(entries), self.layer
            if states is None or layer is None or self._inside is None:
                return
            seen = kind.taken(states, self._inside.to(states.device))
            self._show(Site(self.anatomy.name, layer), seen)

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
                    positions = stream.positions.to(states.device)
                    added = HiddenStates(states, positions, owned=True)
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
