"""Tell that memory ran out from other errors, and give back what is held for nothing."""

from __future__ import annotations

import gc

import torch

__all__ = ["give_back", "ran_out"]

_SAID = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "backend out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "HIP out of memory",
)
"""What torch says in a RuntimeError, where it has no type of its own for this."""


def ran_out(error: BaseException | None) -> bool:
    """Return whether an error, or one that it was raised from, says that memory ran out.

    Example:
        >>> ran_out(MemoryError()), ran_out(ValueError("out of range"))
        (True, False)
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(part in str(error) for part in _SAID):
            return True
        error = error.__cause__
    return False


def give_back() -> None:
    """Free what nothing refers to any more, also of the devices' caches."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
