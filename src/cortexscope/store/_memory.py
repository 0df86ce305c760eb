"""What was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

import pyarrow as pa

__all__ = ["give_back"]


def give_back() -> None:
    """Give back the memory that was freed and is kept for what comes, as far as that can be."""
    pa.default_memory_pool().release_unused()
    if sys.platform.startswith("linux"):
        # Of glibc alone, malloc_trim(3).
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
