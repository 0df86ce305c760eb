"""The functions of torch by which attention runs, and how a mode is told of all their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["MULTI_HEAD", "SDPA", "SOFTMAXES", "seen_inside"]

# Taken once, since those in `torch.nn.functional` are lent out now and then.
SDPA = functional.scaled_dot_product_attention
SOFTMAXES = frozenset({torch.softmax, functional.softmax, Tensor.softmax})
MULTI_HEAD = functional.multi_head_attention_forward
"""Calls one of the others, where the mode that was told of it is off."""


@contextmanager
def seen_inside(mode: TorchFunctionMode) -> Iterator[None]:
    """Let a mode that runs `MULTI_HEAD` be told of the attention inside of it too.

    That code finds softmax and attention by their names in `torch.nn.functional`.
    """
    names = ("scaled_dot_product_attention", "softmax")
    originals = {name: getattr(functional, name) for name in names}

    def watched(name: str) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> Any:  # noqa: ANN401
            with mode:
                return originals[name](*args, **kwargs)

        return call

    try:
        for name in names:
            setattr(functional, name, watched(name))
        yield
    finally:
        for name, original in originals.items():
            setattr(functional, name, original)
