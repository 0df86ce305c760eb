"""Numbers of bytes as people write them."""

from __future__ import annotations

from cortexscope.errors import UsageError

__all__ = ["parse_bytes", "said_bytes"]

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_bytes(text: str) -> int:
    """Return a number of bytes that a user gave, such as 8GB.

    Raises:
        UsageError: if it is none.

    Example:
        >>> parse_bytes("1.5GB")
        1500000000
    """
    number, unit = text[:-2].strip(), text[-2:].upper()
    try:
        size = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        size = 0
    if not 0 < size < float("inf"):
        raise UsageError(f"{text!r} is no size of a memory; write it such as 800MB or 8GB.")
    return round(size)


def said_bytes(size: int | float) -> str:
    """Return a number of bytes as people say it.

    Example:
        >>> said_bytes(1_234_000_000)
        '1.2 GB'
    """
    for unit, scale in reversed(_UNITS.items()):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} B"
