"""Tell tokens from padding by what a model is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from cortexscope.errors import UnsupportedModelError
from cortexscope.taps._mask import visible_keys

__all__ = ["TokenReader"]

# How a module may be told which positions are padding, and whether True means padding.
_MASKS = {"attention_mask": False, "src_key_padding_mask": True, "tgt_key_padding_mask": True}
_INPUTS = ("input_ids", "inputs_embeds", "decoder_input_ids")


class TokenReader:
    """Reads from the call of a stack, and of the modules around it, where its tokens are.

    Args:
        module: the whole model.
        backbone: path of the stack.
        outer_mask: what modules around the stack call the mask of its tokens.
        token_first: whether states that are given come as [token, prompt, feature].
        refuse: makes an error of what is wrong.
    """

    def __init__(
        self,
        module: nn.Module,
        backbone: str,
        *,
        outer_mask: str,
        token_first: bool,
        refuse: Callable[[str], UnsupportedModelError],
    ) -> None:
        self._signature = inspect.signature(module.get_submodule(backbone).forward)
        around = [module.get_submodule(outer) for outer in _outer(backbone)]
        self._around = {outer: inspect.signature(outer.forward) for outer in around}
        self._root = module
        self._outer_mask = outer_mask
        self._token_first = token_first
        self._refuse = refuse
        self.forget()

    def forget(self) -> None:
        """Forget what modules around the stack were given."""
        # Their mask, and whether they were given none.
        self._above: tuple[Tensor | None, bool] = (None, False)
        self.so_far: Tensor | None = None
        """Which positions hold tokens, those of earlier passes that a cache remembers included;
        None where nothing tells of earlier passes."""

    def hook(self) -> Iterator[RemovableHandle]:
        """Install hooks on the modules around the stack, yielding what removes each."""
        for module in self._around:
            yield module.register_forward_pre_hook(self._before_above, with_kwargs=True)

    def _before_above(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Keep the mask that a module around was given, should it not reach the stack as such."""
        if module is self._root:
            # A pass before this one may have failed half-way.
            self.forget()
        signature = self._around[module]
        if self._outer_mask not in signature.parameters:
            return
        mask = signature.bind_partial(*args, **kwargs).arguments.get(self._outer_mask)
        if mask is None or (isinstance(mask, Tensor) and mask.dim() == 2):
            self._above = (mask, mask is None)

    def read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bool[Tensor, "prompt token"]:
        """Return which positions of the stack's input hold a token and not padding.

        Raises:
            UnsupportedModelError: if the input, or the mask, is none of prompts and tokens.
        """
        given = self._signature.bind_partial(*args, **kwargs).arguments
        given = {**given.pop("kwargs", {}), **given}
        inputs = [given.get(name) for name in (*_INPUTS, *list(self._signature.parameters)[:1])]
        states = next((x for x in inputs if isinstance(x, Tensor) and x.dim() >= 2), None)
        if states is None:
            raise self._refuse("its input is not a tensor of shape [prompt, token]")
        prompts, length = states.shape[:2]
        if self._token_first and states.is_floating_point():
            prompts, length = length, prompts
        every = torch.ones(prompts, length, dtype=torch.bool, device=states.device)
        earlier = _remembered(given.get("past_key_values"))
        self.so_far = None if earlier is None else functional.pad(every, (earlier, 0), value=True)
        name = next((name for name in _MASKS if given.get(name) is not None), None)
        mask = None if name is None else given[name]
        above, unmasked = self._above
        if not isinstance(mask, Tensor) or mask.dim() != 2:
            # Made by the model itself of the one it was given, or dropped on the way.
            if name is None and above is None:
                return every
            if unmasked:
                return every
            if above is not None and above.shape[0] == prompts:
                name, mask = None, above
        if isinstance(mask, Tensor) and mask.dim() == 4 and _all_seen(mask):
            return every
        if not isinstance(mask, Tensor) or mask.dim() != 2 or mask.shape[1] < length:
            raise self._refuse(
                f"its {name or self._outer_mask} does not have the shape [prompt, token], "
                "so padding cannot be told from tokens"
            )
        # With a cache of earlier tokens the mask is longer than the input.
        mask = ~mask.bool() if name is not None and _MASKS[name] else mask.bool()
        if mask.shape[1] > length:
            self.so_far = mask
        elif self.so_far is not None:
            self.so_far = functional.pad(mask, (self.so_far.shape[1] - length, 0), value=True)
        return mask[:, -length:]


def _remembered(cache: object) -> int | None:
    """Return how many positions of earlier passes a cache knows of, None where it cannot tell."""
    count = getattr(cache, "get_seq_length", None)
    try:
        return None if count is None else int(count())
    except ValueError:
        # It is a cache of states alone.
        return None


def _all_seen(mask: Tensor) -> bool:
    """Return whether a mask of scores lets every key be seen; one that nobody sees is padding."""
    return bool(visible_keys(mask).flatten(1, 2).any(1).all())


def _outer(path: str) -> Iterator[str]:
    """Yield the paths of all modules around one, from the closest to the root."""
    while path:
        path = path.rpartition(".")[0]
        yield path
