"""The most memory that is held while something runs: of the process, or of a CUDA device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["Held", "watched"]


@dataclass
class Held:
    """Bytes held when it began, and the most while it ran."""

    before: int
    peak: int

    def costs(self) -> dict[str, float]:
        """Return the peak, whole and above the start, in MB."""
        return {
            "peak_mb": round(self.peak / 1e6),
            "above_start_mb": round((self.peak - self.before) / 1e6, 1),
        }


@contextmanager
def watched(device: torch.device) -> Iterator[Held]:
    """Give what is held inside of the block; the peak is there after it.

    Of a CUDA device torch's allocator knows it exactly. Of the process it is what the system says
    every two milliseconds, since the peak that it keeps cannot be begun anew everywhere.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        held = Held(torch.cuda.memory_allocated(device), 0)
        yield held
        torch.cuda.synchronize(device)
        held.peak = torch.cuda.max_memory_allocated(device)
        return
    before = _resident()
    held = Held(before, before)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            held.peak = max(held.peak, _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield held
    finally:
        done.set()
        watcher.join()


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
