"""Do the same to many things, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["threaded"]

_MOST = 4
"""Threads: what each holds in memory adds up."""

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def threaded(work: Callable[[_Item], _Made], items: Sequence[_Item]) -> Iterator[_Made]:
    """Yield what `work` makes of each item, in their order, made in a thread a processor.

    For work that numpy and Arrow do, which leave other threads alone meanwhile. What is made may
    wait in memory until it is taken.

    Args:
        work: of one item; nothing it does depends on another item.
        items: what it is done to.

    Example:
        >>> list(threaded(len, ["a", "bc"]))
        [1, 2]
    """
    count = min(len(items), os.cpu_count() or 1, _MOST)
    if count < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(work, items)
