"""The model that is checked: how it is called, and what it is given to read."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cortexscope.errors import UnsupportedModelError
from cortexscope.interventions import removed_from
from cortexscope.models import Anatomy, Switches, find_anatomy, find_switches, known_part
from cortexscope.records import Site, Stack

__all__ = ["Batch", "Subject", "Text"]

# What a module that is not of transformers calls its mask, and whether True means padding there.
_MASKS = {"attention_mask": False, "src_key_padding_mask": True, "tgt_key_padding_mask": True}


class Text(NamedTuple):
    """One prompt as token ids."""

    ids: tuple[int, ...]
    target: tuple[int, ...] = ()
    """What the decoder of an encoder-decoder reads."""

    def tokens_of(self, stack: Stack) -> int:
        """Return how many tokens a stack reads."""
        return len(self.target if self.target and stack != "encoder" else self.ids)


class Batch(NamedTuple):
    """Texts side by side, and which positions of them are tokens."""

    ids: Tensor
    tokens: Tensor
    targets: Tensor | None
    target_tokens: Tensor | None
    told: bool
    """Whether the model is told the position of each token."""

    @property
    def read(self) -> Tensor:
        """Which positions of the output belong to tokens, [prompt, token]."""
        return self.tokens if self.target_tokens is None else self.target_tokens

    def tokens_of(self, stack: Stack) -> Tensor:
        """Return which positions a stack reads as tokens, [prompt, token]."""
        return self.tokens if stack == "encoder" else self.read


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that can be called."""

    module: nn.Module
    anatomy: Anatomy
    called: nn.Module
    """The part whose call is one forward pass."""
    known: bool
    """Whether it is a model of transformers."""
    parameters: frozenset[str]
    """Names that its forward takes."""
    padding: int
    """The token id that stands for no token."""
    device: torch.device
    """Where its token ids belong."""
    switches: Switches
    """What in it reads a whole pass by its longest text."""

    @classmethod
    def of(
        cls, module: nn.Module, padding: int | None = None, device: torch.device | None = None
    ) -> Subject:
        """Return a module with what is needed to call it.

        Args:
            module: the model.
            padding: a token id that stands for no token, as its configuration says where None.
            device: where token ids belong, that of its weights where None.

        Raises:
            UnsupportedModelError: if its blocks cannot be found, or it is of an unknown kind with
                two stacks, whose inputs have no names of their own.
        """
        anatomy = find_anatomy(module)
        part = known_part(module)
        if part is None and len(anatomy.stacks) > 1:
            raise UnsupportedModelError(
                f"{type(module).__name__} is no model of transformers and has two stacks, so "
                "selfcheck does not know how to call it; check each stack by itself."
            )
        called = module if part is None else module.get_submodule(anatomy.scope)
        if padding is None:
            config = getattr(part, "config", None)
            spare = (getattr(config, name, None) for name in ("pad_token_id", "eos_token_id"))
            padding = next((int(x) for x in spare if isinstance(x, int) and x >= 0), 0)
        return cls(
            module=module,
            anatomy=anatomy,
            called=called,
            known=part is not None,
            parameters=frozenset(inspect.signature(called.forward).parameters),
            padding=padding,
            device=device or _device_of(module),
            switches=find_switches(module),
        )

    @property
    def quantized(self) -> bool:
        """Whether weights are kept in fewer bits than they are computed with."""
        weights = list(self.module.parameters())
        plain = all(type(p) is nn.Parameter and p.is_floating_point() for p in weights)
        return getattr(known_part(self.module), "hf_quantizer", None) is not None or not plain

    @property
    def dtype(self) -> torch.dtype:
        """The precision of what it computes; bfloat16 stands for that of quantised weights."""
        if self.quantized:
            return torch.bfloat16
        return next((p.dtype for p in self.module.parameters()), torch.float32)

    def is_gone(self, site: Site, *parts: str) -> bool:
        """Return whether a change has taken one of these parts out there."""
        return any(one.part in parts and one.holds(site) for one in removed_from(self.module))

    @property
    def takes_mask(self) -> bool:
        """Whether it can be told what is padding."""
        return self.known or self._mask is not None

    @property
    def _mask(self) -> str | None:
        return next((name for name in _MASKS if name in self.parameters), None)

    def batch(self, texts: Sequence[Text], *, left: bool = False, told: bool = False) -> Batch:
        """Return texts padded to the longest of them, on the right or on the left."""
        ids, tokens = self._padded([text.ids for text in texts], left=left)
        if len(self.anatomy.stacks) == 1:
            return Batch(ids, tokens, None, None, told)
        targets = self._padded([text.target for text in texts], left=left)
        return Batch(ids, tokens, *targets, told)

    def _padded(self, rows: Sequence[Sequence[int]], *, left: bool) -> tuple[Tensor, Tensor]:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.padding)
        tokens = torch.zeros(ids.shape, dtype=torch.bool)
        for number, row in enumerate(rows):
            place = slice(longest - len(row), None) if left else slice(len(row))
            ids[number, place] = torch.tensor(row)
            tokens[number, place] = True
        return ids.to(self.device), tokens.to(self.device)

    def groups(self, texts: Sequence[Text]) -> list[list[Text]]:
        """Return texts in parts that the model reads alike, so that they may go together."""
        found: dict[object, list[Text]] = {}
        kind = self.switches.rule.kind
        for text in texts:
            found.setdefault((kind(len(text.ids)), kind(len(text.target))), []).append(text)
        return list(found.values())

    def forward(
        self,
        batch: Batch,
        called: nn.Module | None = None,
        *,
        returning: Sequence[str] = (),
        places: Tensor | None = None,
    ) -> Any:  # noqa: ANN401
        """Return what one forward pass gives, as the model returns it.

        Args:
            batch: what it reads.
            called: a copy to call instead.
            returning: what else is asked for, such as `output_hidden_states`.
            places: the positions of the tokens, where the model is told those.
        """
        # What a pass gives must not depend on those before it.
        self.switches.reset()
        named: dict[str, Any] = dict.fromkeys(returning, True)
        if "use_cache" in self.parameters:
            # Keys and values kept for a next token would only cost memory.
            named["use_cache"] = False
        if batch.told:
            named["position_ids"] = (batch.tokens.long().cumsum(-1) - 1).clamp(min=0)
        if places is not None:
            named["position_ids"] = places
        mask = "attention_mask" if self.known else self._mask
        if mask is not None:
            named[mask] = ~batch.tokens if _MASKS[mask] else batch.tokens.long()
        if batch.targets is not None and batch.target_tokens is not None:
            named["decoder_input_ids"] = batch.targets
            named["decoder_attention_mask"] = batch.target_tokens.long()
        run = self.called if called is None else called
        with torch.no_grad():
            if self.known or "input_ids" in self.parameters:
                return run(input_ids=batch.ids, **named)
            return run(batch.ids, **named)

    def output(self, result: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - as models return it
        """Return the output at the tokens, [token, feature], prompt after prompt."""
        state = getattr(result, "logits", None)
        if state is None:
            state = getattr(result, "last_hidden_state", None)
        if state is None:
            state = result if isinstance(result, Tensor) else result[0]
        state = state.detach()
        if state.shape[:2] != batch.read.shape:
            return state.flatten(1)
        return state[batch.read]

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Keep the model in evaluation mode and uncompiled, and leave it as it was."""
        training = [part for part in self.module.modules() if part.training]
        self.module.eval()
        try:
            with torch.compiler.set_stance("force_eager"), self.switches.kept():
                yield
        finally:
            for part in training:
                part.training = True


def _device_of(module: nn.Module) -> torch.device:
    """Return the first device that holds weights; those that accelerate moves are on `meta`."""
    tensors = (*module.parameters(), *module.buffers())
    return next((x.device for x in tensors if x.device.type != "meta"), torch.device("cpu"))
