"""The most memory that the measuring of a model held."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["Peak"]

_SELF = Path("/proc/self")
_FORGET_PEAK = "5"
"""What /proc/PID/clear_refs is told to begin the resident peak anew; proc_pid_clear_refs(5)."""


class Peak:
    """Counts from when it is made: a model's peak is not that of one before it.

    Args:
        device: where the model will be; of CUDA, all of its devices count.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._knows = self._cuda or _forget_peak()
        if self._cuda:
            for number in range(torch.cuda.device_count()):
                torch.cuda.reset_peak_memory_stats(number)

    def so_far(self) -> int | None:
        """Return the peak in bytes: of what CUDA devices held, else of this process as a whole.

        None where the system does not tell it, or not since a moment.
        """
        if not self._knows:
            return None
        if self._cuda:
            devices = range(torch.cuda.device_count())
            return sum(torch.cuda.max_memory_allocated(number) for number in devices)
        return _resident_peak()


def _forget_peak() -> bool:
    try:
        (_SELF / "clear_refs").write_text(_FORGET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _resident_peak() -> int | None:
    try:
        lines = (_SELF / "status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else None
