"""What recurrent mixers do: how far a token steps, what is left of the state, and the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cortexscope.models import Block
from cortexscope.taps._recurrences import MixerNotes, notes_for
from cortexscope.taps._tokens import Tokens

__all__ = ["MixerNotes", "MixerWatch", "Mixing"]


@dataclass(frozen=True, slots=True)
class Mixing:
    """The recurrent mixer of one layer; what it has not, or does not show, is None."""

    positions: Tokens
    """Which positions hold a token and not padding."""
    step: Float[Tensor, "prompt token"] | None
    """The step size at each token, mean over channels or heads."""
    decay: Float[Tensor, "prompt token"] | None
    """The factor by which each token multiplies the state, mean over the state's entries."""
    state_norm: Float[Tensor, " prompt"] | None = None
    """The l2 norm of the state after each prompt's last token."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token and not padding."""
        return self.positions.mask

    @property
    def rest(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token that is not the first of its prompt."""
        return self.positions.rest


class MixerWatch:
    """The recurrent mixers of the blocks of one stack.

    Args:
        module: the whole model.
        blocks: whose mixers are watched; one that runs several times is given once.
        needs: what must be seen.
        inside: gives the tokens of the pass, None between passes.
        show: takes what a mixer did, when it is through.
    """

    def __init__(
        self,
        module: nn.Module,
        blocks: Sequence[Block],
        *,
        needs: frozenset[str],
        inside: Callable[[], Tokens | None],
        show: Callable[[Mixing], None],
    ) -> None:
        self._module = module
        self._blocks = blocks if needs & {"mixers", "mixers.state"} else ()
        self._state = "mixers.state" in needs
        self._inside = inside
        self._show = show
        self.notes: MixerNotes | None = None
        """Of the mixer that is running."""

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        for block in self._blocks:
            for mixer in block.mixers:
                for part in self._module.get_submodule(mixer.path).modules():
                    if notes_for(part) is not None:
                        yield part.register_forward_pre_hook(self._enter)
                        yield part.register_forward_hook(self._leave)

    def _enter(self, part: nn.Module, args: object) -> None:
        kind, tokens = notes_for(part), self._inside()
        if kind is None or tokens is None:
            return
        with torch.no_grad():
            self.notes = kind(part, tokens, state=self._state)

    def _leave(self, part: nn.Module, args: object, output: object) -> None:
        notes, self.notes = self.notes, None
        if notes is None:
            return
        with torch.no_grad():
            norm = notes.state_norm(output) if self._state else None
        some = next((x for x in (notes.step, notes.decay, norm) if x is not None), None)
        if some is not None:
            positions = notes.positions.to(some.device)
            self._show(Mixing(positions, notes.step, notes.decay, norm))
