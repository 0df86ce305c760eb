"""Say where a text that a user's model reads has other values than it would have alone."""

from __future__ import annotations

import inspect
import warnings
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from cortexscope.measure.steps import Relay
from cortexscope.models import Switch, find_switches
from cortexscope.records import Stack
from cortexscope.taps import Receiver

__all__ = ["LengthWatch"]

_BESIDE = (
    "{some} of {rows} texts of a pass are read otherwise than alone, since {model} reads positions "
    "by the longest text of a pass, here as for {used} tokens (borders: {borders}); give it texts "
    "of one side of a border at a time, as `cortexscope run` does."
)
_AFTER = (
    "A pass is read otherwise than alone, since {model} still reads positions by a longer text of "
    "an earlier pass; read short texts first, or each with a model that has read no other."
)
_CACHED = (
    "A text has grown over a border ({borders} tokens) at which {model} reads all of it otherwise, "
    "and what its cache keeps was read before; drop the cache there to have what one pass over the "
    "text gives, as `cortexscope run --generate` does."
)


class LengthWatch(Relay):
    """Passes on what a tap sees, and warns of each way once in which texts disturb each other.

    Args:
        receiver: takes what a tap sees.
        module: the model.
    """

    def __init__(self, receiver: Receiver, module: nn.Module) -> None:
        super().__init__(receiver)
        self._model = type(module).__name__
        self._switches = find_switches(module)
        self._tokens: Tensor | None = None
        self._said: set[str] = set()

    @property
    def began(self) -> bool:
        """Whether any pass was seen, also one that failed."""
        return self._tokens is not None

    def stack(self, stack: Stack, tokens: Tensor) -> None:
        """Hand over that a stack begins, and remember its tokens."""
        self._tokens = tokens
        super().stack(stack, tokens)

    def hook(self, exits: ExitStack) -> None:
        """Watch what reads positions until `exits` closes."""
        for switch in self._switches.parts:

            def after(
                part: nn.Module,
                args: tuple[Any, ...],
                kwargs: dict[str, Any],
                output: object,
                switch: Switch = switch,
            ) -> None:
                given = inspect.signature(part.forward).bind(*args, **kwargs).arguments
                # What is computed here is no part of the model, and the tap must not see it.
                with torch._C.DisableTorchFunction(), torch.no_grad():
                    self._look(switch, given, output)

            exits.callback(switch.part.register_forward_hook(after, with_kwargs=True).remove)

    def _look(self, switch: Switch, given: dict[str, Any], output: object) -> None:
        kind = switch.rule.kind
        places, tokens = given.get("position_ids"), self._tokens
        used = int(places.max()) + 1 if isinstance(places, Tensor) else int(given["seq_len"])
        if not switch.answers(given, output):
            self._say(_AFTER, switch)
        if tokens is None:
            return
        counts, starts = tokens.sum(-1).tolist(), tokens.to(torch.uint8).argmax(-1).tolist()
        lengths = []
        for row, (count, start) in enumerate(zip(counts, starts, strict=True)):
            before = 0
            # Padding on the left may be counted, and tokens of a cache are.
            if isinstance(places, Tensor) and not start and places.shape[-1] == tokens.shape[1]:
                before = int(places[..., min(row, places.shape[-2] - 1), 0].max())
            lengths.append(before + count)
            if before and kind(before) != kind(before + count):
                self._say(_CACHED, switch)
        some = sum(kind(length) != kind(used) for length in lengths)
        if some:
            self._say(_BESIDE, switch, some=some, rows=len(lengths), used=used)

    def _say(self, text: str, switch: Switch, **facts: int) -> None:
        if text not in self._said:
            self._said.add(text)
            borders = ", ".join(map(str, switch.rule.borders))
            warnings.warn(
                text.format(model=self._model, borders=borders, **facts), UserWarning, stacklevel=2
            )
