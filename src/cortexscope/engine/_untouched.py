"""Leave a model, and the random numbers of its training, as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

__all__ = ["untouched"]


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Have a model read what it likes inside, and be as before it afterwards, to the last bit.

    What comes back: the state of the generators of torch (of the CPU and of all CUDA devices),
    numpy and Python, and of every module its mode, its buffers and its plain attributes, such as
    the longest text that a rotary embedding has seen. Weights, their gradients and an optimiser are
    not touched by a pass forward.
    """
    numbers, own = np.random.get_state(), random.getstate()  # noqa: NPY002 - that of the training
    modules = [*module.modules()]
    attributes = [dict(vars(part)) for part in modules]
    buffers = [dict(part._buffers) for part in modules]
    copies = [
        {name: buffer.clone() for name, buffer in every.items() if buffer is not None}
        for every in buffers
    ]
    devices = range(torch.cuda.device_count())
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(own)
        for part, told, held, copied in zip(modules, attributes, buffers, copies, strict=True):
            vars(part).clear()
            vars(part).update(told)
            part._buffers.clear()
            part._buffers.update(held)
            for name, before in copied.items():
                buffer = held[name]
                if buffer is not None and not torch.equal(buffer, before):
                    with torch.no_grad():
                        buffer.copy_(before)
