"""Say in what two plans differ, so that a run is continued only as it was begun."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

__all__ = ["differences"]

# What may change between the start of a run and its continuation.
_FREE = frozenset(
    {
        *("status", "created", "finished", "timings", "memory", "checks", "ungenerated"),
        *("environment", "suite.readings", "halved", "failed_metrics"),
    }
)


def differences(
    old: object, new: object, path: str = "", *, free: Collection[str] = _FREE
) -> Iterator[str]:
    """Yield how a manifest differs from another, as far as it must not.

    Args:
        old: the one before, or a part of it.
        new: the one now, or the same part.
        path: of the part.
        free: the paths of what may differ.

    Example:
        >>> list(differences({"seed": 1, "created": "then"}, {"seed": 2, "created": "now"}))
        ['seed was 1 and is 2']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            inside = f"{path}.{key}" if path else key
            if inside not in free:
                yield from differences(old.get(key), new.get(key), inside, free=free)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{path}[{number}]", free=free)
    elif old != new:
        yield f"{path} was {_short(old)} and is {_short(new)}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
