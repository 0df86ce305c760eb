"""What a comparison reads of one of its two models: its states, and its head."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.comparing._divergence import Head
from cortexscope.engine import Batch
from cortexscope.engine.passes import Reader
from cortexscope.errors import CortexscopeError
from cortexscope.interventions import Removed
from cortexscope.models import Model
from cortexscope.records import Site, Stack
from cortexscope.taps import BOTH_WAYS, HiddenStates, Readout, Seen, Tokens, Unread

__all__ = ["Following", "Layer", "ModelSide", "Side", "following"]


class Layer(NamedTuple):
    """The states of one layer."""

    states: Float[Tensor, "prompt token feature"]
    positions: Tokens


class Following(NamedTuple):
    """The tokens of a batch that have a next one, one after the other, prompt by prompt."""

    where: Bool[Tensor, "prompt token"]
    """Which they are."""
    tokens: Int[Tensor, " row"]
    """The ones that come next."""


@runtime_checkable
class Side(Protocol):
    """One of the two models."""

    head: Head
    refusal: str | None
    """Why it predicts no next token, None where it does."""

    def read(self, batch: Batch, show: Callable[[Site, Layer], None] | None = None) -> Tensor:
        """Return what the head is given after a batch, [row, feature]; `show` is told each layer.

        The rows are those of `following`.
        """


def following(batch: Batch, *, decoder: bool) -> Following:
    """Return the tokens of a batch that have a next one.

    Args:
        batch: the prompts, longest first as they are padded.
        decoder: whether targets are predicted, and not the prompts.
    """
    rows = [item.target or () if decoder else item.ids for item in batch.items]
    where = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.bool)
    for number, row in enumerate(rows):
        where[number, : max(len(row) - 1, 0)] = True
    tokens = torch.tensor([token for row in rows for token in row[1:]], dtype=torch.long)
    return Following(where, tokens)


class ModelSide:
    """A loaded model.

    Args:
        model: loaded.
    """

    def __init__(self, model: Model) -> None:
        self.reader = Reader(model)
        anatomy = self.reader.anatomy
        head = Readout(model.module, anatomy)
        self.head: Head = head
        both_ways = anatomy.stacks[-1].name == "encoder"
        self.refusal = head.refusal or (BOTH_WAYS if both_ways else None)

    @property
    def layers(self) -> dict[Stack, int]:
        """The number of blocks of each stack."""
        return {stack.name: len(stack.blocks) for stack in self.reader.anatomy.stacks}

    def read(self, batch: Batch, show: Callable[[Site, Layer], None] | None = None) -> Tensor:
        """Run the model on a batch.

        Raises:
            ModelError: if it fails; the prompt ids are named.
        """
        watch = _Watch(self.reader.last, show)
        inputs = self.reader.inputs(batch)
        needs = frozenset({"final"} if show is None else {"hidden", "final"})
        with self.reader.tap(needs, watch, sample=None):
            try:
                self.reader.run(batch, **inputs)
            except CortexscopeError:
                raise
            except Exception as error:
                # Memory ran out; who reads two models at once reads no halves.
                raise self.reader.failure(batch, error) from error
        final = watch.final
        assert final is not None
        where = following(batch, decoder=self.reader.has_pair).where
        return final[where.to(final.device)]


class _Watch:
    """Hands on the states of layers, and keeps those after the last norm."""

    def __init__(self, last: Site, show: Callable[[Site, Layer], None] | None) -> None:
        self._last = last
        self._show = show
        self.final: Tensor | None = None

    def begin(self) -> None:
        """Nothing is kept of a pass before."""

    def stack(self, stack: Stack, tokens: Tensor) -> None:
        """Which stack it is, each site says."""

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        """Hand on a layer, or keep the last state."""
        if not isinstance(seen, HiddenStates):
            return
        if site == self._last:
            self.final = seen.computed.clone()
        elif self._show is not None and site.layer is not None:
            self._show(site, Layer(seen.computed, seen.positions))

    def end(self) -> None:
        """The pass is over."""
