"""The machine that measures, as far as the last bits of a number can hang on it."""

from __future__ import annotations

import platform
from pathlib import Path

__all__ = ["environment"]


def environment() -> dict[str, str]:
    """Return system, processor, instructions, number of torch's threads, CUDA devices if any.

    And whether cortexscope's compiled part is used.
    """
    import torch

    from cortexscope import native

    found = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "compiled": "yes" if native.is_there() else "no",
    }
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        found["cuda"] = ", ".join(torch.cuda.get_device_name(number) for number in range(count))
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
