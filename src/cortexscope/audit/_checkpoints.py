"""Which model of a run is one of the study's."""

from __future__ import annotations

from functools import cache

from cortexscope.models import catalog
from cortexscope.records import ModelInfo

__all__ = ["ids_of", "is_checkpoint"]


@cache
def ids_of(hub: str) -> frozenset[str]:
    """Return the ids that the hub has for a checkpoint, in small letters.

    The hub knows some of the oldest without their owner too.

    Example:
        >>> sorted(ids_of("gpt2")), sorted(ids_of("microsoft/phi-1"))
        (['gpt2', 'openai-community/gpt2'], ['microsoft/phi-1'])
    """
    known = ((entry.reference, entry.name) for entry in catalog().values())
    return frozenset(name.lower() for own in [(hub,), *known] if hub in own for name in own)


def is_checkpoint(info: ModelInfo, hub: str) -> bool:
    """Return whether a model is a checkpoint of the hub as it was published.

    A fork by another owner is not, nor is a variant, an adapter on it, a further training of it, or
    a folder or file, of which nobody tells whose it is.
    """
    if info.change is not None or info.checkpoint_of is not None:
        return False
    return info.reference.split("=", 1)[-1].split("@", 1)[0].lower() in ids_of(hub)
