"""The compiled half of the measurements, where there is one: found, checked and loaded once.

It is built as cortexscope is installed, where there is a compiler, and is plain C over pointers:
no part of it depends on the version of torch. Without it everything is computed by torch.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["SWITCH", "call", "is_there", "remark", "threads"]

_HERE = Path(__file__).parent
SWITCH = "CORTEXSCOPE_NATIVE"
"""The environment variable that, set to `off`, leaves everything to torch and numpy."""
_CAPABILITIES = ("DEFAULT", "AVX2", "AVX512")
"""What a library is built for, in the order of library.c."""


def _digest() -> str:
    """Return a digest of the sources, which the library must have been built of."""
    found = hashlib.sha256()
    for source in sorted(_HERE.glob("*.[ch]")):
        found.update(source.read_bytes())
    return found.hexdigest()[:16]


class _Found(NamedTuple):
    """What was looked for."""

    library: ctypes.CDLL | None
    why: str
    """Why there is none, empty where there is one or it is not wanted."""


@cache
def _found() -> _Found:
    if os.environ.get(SWITCH, "").lower() == "off":
        return _Found(None, "")
    if not _built("DEFAULT").exists():
        return _Found(None, "was not built")
    try:
        library = _loaded("DEFAULT") and _loaded(_capability())
    except (OSError, AttributeError):
        return _Found(None, "cannot be loaded")
    return _Found(library, "" if library else "was built of other sources than those beside it")


def _loaded(capability: str) -> ctypes.CDLL | None:
    """Return a library, None if it was built of other sources."""
    library = ctypes.CDLL(str(_built(capability)))
    library.sources.restype = ctypes.c_char_p
    return library if library.sources().decode() == _digest() else None


def _built(capability: str) -> Path:
    return _HERE / f"_native.{capability}.so"


def _capability() -> str:
    """Return what the processor can do, or torch is told to take it for, as far as we build.

    Raises:
        OSError: if there is no library, or it cannot be loaded.
    """
    told = os.environ.get("ATEN_CPU_CAPABILITY", "").upper()
    if told in _CAPABILITIES:
        return told
    return _CAPABILITIES[ctypes.CDLL(str(_built("DEFAULT"))).capability()]


@cache
def _parallel() -> ctypes.c_void_p | None:
    """Return what starts torch's own threads, None where it is not found."""
    import torch

    for library in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            start = ctypes.CDLL(str(library)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        return ctypes.cast(start, ctypes.c_void_p)
    return None


def is_there() -> bool:
    """Return whether the compiled part can be used."""
    return _found().library is not None


def remark() -> str | None:
    """Return a sentence for who measures without the compiled part though it is wanted."""
    if not (why := _found().why):
        return None
    return (
        f"The compiled part of cortexscope {why}, so that measuring on the CPU takes longer; where "
        "there is a C compiler, installing cortexscope again builds it."
    )


def threads(entries: int) -> int:
    """Return how many of torch's threads are worth their start for so many numbers to be read."""
    import torch

    return min(torch.get_num_threads(), 1 + entries // 32_768) if _parallel() else 1


def call(name: str, job: ctypes.Structure, threads: int = 1) -> None:
    """Have a job done by a function of the library, which must be there."""
    library = _found().library
    assert library is not None
    getattr(library, name)(ctypes.byref(job), _parallel() if threads > 1 else None, threads)
