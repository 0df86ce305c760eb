"""Let a model go on after what it has read, a token at a time, with a memory of all before."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from cortexscope.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import Cache

    from cortexscope.models._anatomy import Anatomy

__all__ = ["CachedPasses", "Memory", "ending_tokens"]

_MEMORIES = ("past_key_values", "cache_params", "state")
"""What models call what they keep of earlier tokens, in their inputs and in their output."""

_BOTH_WAYS = "its tokens also see what comes after them, so that it does not predict the next one"
_NO_MEMORY = "it cannot remember what it has read from one pass to the next"
_INSIDE = "it keeps the states of its recurrent layers inside of itself, for all texts together"


def ending_tokens(
    module: nn.Module,
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no type that can be named
) -> frozenset[int]:
    """Return the tokens with which a model ends a text, empty where it has none.

    They are those of its generation settings, or else of its configuration or its tokenizer.
    """
    homes = (getattr(module, "generation_config", None), getattr(module, "config", None), tokenizer)
    for home in homes:
        found = getattr(home, "eos_token_id", None)
        if found is not None:
            return frozenset([found] if isinstance(found, int) else found)
    return frozenset()


class CachedPasses:
    """The forward passes of a model that goes on after its input.

    Args:
        module: the model.
        anatomy: of it.
    """

    def __init__(self, module: nn.Module, anatomy: Anatomy) -> None:
        self._scope = module.get_submodule(anatomy.scope)
        self._parameters = inspect.signature(self._scope.forward).parameters
        self._pair = len(anatomy.stacks) > 1
        self._name = next((name for name in _MEMORIES if name in self._parameters), None)
        self._recurs = any(block.mixers for block in anatomy.stacks[-1].blocks)
        self._kind = type(module).__name__
        self.refusal: str | None = None
        """Why the model cannot go on, None where it can."""
        if anatomy.stacks[-1].name == "encoder":
            self.refusal = _BOTH_WAYS
        elif self._name is None:
            self.refusal = _NO_MEMORY
        elif any("recurrent_states" in vars(part) for part in self._scope.modules()):
            self.refusal = _INSIDE

    @property
    def one_by_one(self) -> bool:
        """Whether each text must go on by itself: RWKV mixes the states of several."""
        return self._name == "state"

    @property
    def mixes_lengths(self) -> bool:
        """Whether inputs of different lengths can go on together.

        They can where all that is kept of a token is its keys and values, which can be moved, and
        the model can be told where a token stands. A state of earlier tokens would hold padding.
        """
        from transformers.cache_utils import DynamicLayer

        cache = self._cache()
        return (
            cache is not None
            and not self._recurs
            and "position_ids" in self._parameters
            and all(type(layer) is DynamicLayer for layer in cache.layers)
        )

    @property
    def rereads(self) -> bool:
        """Whether what is kept of a text can be made anew: keys and values, and no states."""
        return self._name == "past_key_values" and not self._recurs

    def reread(
        self, memory: Memory, ids: Int[Tensor, "prompt token"], run: Callable[..., Any]
    ) -> Memory:
        """Return what the model remembers of texts when it reads them with one more token.

        Args:
            memory: of the texts so far.
            ids: of the texts and the token that comes next, which is then forgotten.
            run: takes the inputs of a pass.
        """
        assert self._name is not None
        output = run(**memory.again(ids), **self.first())
        getattr(output, self._name).crop(-1)
        encoder_mask = None if memory.encoder is None else memory.encoder[1]
        return self.remember(output, mask=torch.ones_like(ids[:, 1:]), encoder_mask=encoder_mask)

    def first(self) -> dict[str, Any]:
        """Return what the first pass must be given beside the input, to be remembered."""
        cache = self._cache()
        given: dict[str, Any] = {} if cache is None else {"past_key_values": cache}
        return given | ({"use_cache": True} if "use_cache" in self._parameters else {})

    def _cache(self) -> Cache | None:
        """Return an empty cache that lets go of no token; None where the model makes its own.

        With inputs of different lengths the last tokens of a window are not those that a shorter
        input needs; the model's masks hide the tokens outside of a window just as well.
        """
        from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

        config = getattr(self._scope, "config", None)
        if self._pair or self._name != "past_key_values" or config is None:
            return None
        cache = DynamicCache(config=config)
        cache.layers = [
            DynamicLayer() if type(layer) is DynamicSlidingWindowLayer else layer
            for layer in cache.layers
        ]
        return cache

    def remember(
        self,
        output: Any,  # noqa: ANN401 - what the model returns
        *,
        mask: Int[Tensor, "prompt token"],
        encoder_mask: Int[Tensor, "prompt source"] | None = None,
    ) -> Memory:
        """Return what a model remembers of its first pass.

        Args:
            output: of that pass.
            mask: 1 where the stack that goes on had a token, 0 for padding, which is on the right.
            encoder_mask: the same of the encoder, None for a model that has none.

        Raises:
            UnsupportedModelError: if the output does not hold what the model remembers.
        """
        assert self._name is not None
        if getattr(output, self._name, None) is None:
            raise UnsupportedModelError(
                f"{self._kind} cannot generate: what it returns does not hold its "
                f"{self._name}; leave --generate out."
            )
        encoder = None
        if encoder_mask is not None:
            encoder = (output.encoder_last_hidden_state, encoder_mask)
        return Memory(
            self._name,
            output,
            mask=mask,
            encoder=encoder,
            more={"use_cache": True} if "use_cache" in self._parameters else {},
            placed="position_ids" in self._parameters,
        )


class Memory:
    """What a model keeps of the tokens that it has read.

    Args:
        name: what the model calls it.
        output: of the first pass.
        mask: 1 where that had a token, 0 for padding on the right.
        encoder: the states and the mask of the other text, for an encoder-decoder.
        more: what each pass is given beside.
        placed: whether it is told where a token stands.
    """

    def __init__(
        self,
        name: str,
        output: Any,  # noqa: ANN401 - what the model returns
        *,
        mask: Int[Tensor, "prompt token"],
        encoder: tuple[Tensor, Tensor] | None,
        more: dict[str, Any],
        placed: bool,
    ) -> None:
        self._name = name
        self.encoder = encoder
        """The states and the mask of the other text, None for a model that has none."""
        self._more = more
        self._mask: Tensor | None = None
        self._counts = mask.sum(-1)
        self._placed = placed
        self.take(output)
        padding = mask.shape[1] - mask.sum(-1)
        if bool(padding.any()):
            # What comes next is beside the last token of each input.
            for layer in self._kept.layers:
                if layer.is_initialized:
                    layer.keys = _to_the_right(layer.keys, padding)
                    layer.values = _to_the_right(layer.values, padding)
            self._mask = mask.flip(-1)

    def inputs(self, tokens: Int[Tensor, " prompt"]) -> dict[str, Any]:
        """Return what the next pass must be given to read one more token of each text."""
        given: dict[str, Any] = {self._name: self._kept, **self._more}
        ids = tokens[:, None]
        if self.encoder is not None:
            return {**given, **self.again(ids)}
        if self._mask is not None:
            self._mask = nn.functional.pad(self._mask, (0, 1), value=1)
            given["attention_mask"] = self._mask
        if self._placed:
            # Some models count from 0 again where nothing is said.
            given["position_ids"] = self._counts[:, None]
        self._counts = self._counts + 1
        return {**given, "input_ids": ids}

    def again(self, ids: Int[Tensor, "prompt token"]) -> dict[str, Any]:
        """Return what a pass over texts without a memory must be given, to read these tokens."""
        if self.encoder is None:
            return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        from transformers.modeling_outputs import BaseModelOutput

        states, mask = self.encoder
        states = BaseModelOutput(last_hidden_state=states)
        return {"decoder_input_ids": ids, "encoder_outputs": states, "attention_mask": mask}

    def take(self, output: Any) -> None:  # noqa: ANN401 - what the model returns
        """Keep what a pass has added."""
        self._kept = getattr(output, self._name)

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all texts but these."""
        if hasattr(self._kept, "reorder_cache"):
            self._kept.reorder_cache(torch.tensor(rows))
        else:
            self._kept = [part[torch.tensor(rows, device=part.device)] for part in self._kept]
        self._counts = self._counts[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]
        if self.encoder is not None:
            states, mask = self.encoder
            self.encoder = states[rows], mask[rows]


def _to_the_right(kept: Tensor, by: Int[Tensor, " prompt"]) -> Tensor:
    """Return keys or values [prompt, head, token, feature], those of each prompt moved by so many.

    What is moved out at the end, the padding there, comes in at the start.
    """
    length = kept.shape[2]
    index = (torch.arange(length, device=kept.device) - by.to(kept.device)[:, None]) % length
    return kept.take_along_dim(index[:, None, :, None], 2)
