"""Put another tensor in the place of a weight, and the very same one back."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn

__all__ = ["replace_tensor"]


def replace_tensor(module: nn.Module, name: str, other: Tensor, exits: ExitStack) -> None:
    """Have a parameter or buffer hold another tensor, until the exits are closed.

    The parameter stays the same object, so that those who share it share the change, and gets its
    own storage back.
    """
    tensor = getattr(module, name)
    before = tensor.data
    exits.callback(_put, tensor, before)
    _put(tensor, other.detach().to(before))


def _put(tensor: Tensor, data: Tensor) -> None:
    # What was made in inference mode could not be changed outside of it.
    with torch.inference_mode(mode=False):
        tensor.data = data
