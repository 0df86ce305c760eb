"""How many threads torch computes with in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["computing_with"]


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Let torch compute with so many threads in the block; with as many as before where None.

    All that this process computes for a request is done so, whoever measures: a product of another
    number of threads is summed in another order, and may differ in the last bit.

    Args:
        threads: at least 1.
    """
    if threads is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
