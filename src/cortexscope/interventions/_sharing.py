"""Refuse to take away what other layers read: keys and values that one layer makes for several."""

from __future__ import annotations

from cortexscope.interventions._places import Place
from cortexscope.interventions._target import Target
from cortexscope.models import Block

__all__ = ["check_not_shared"]


def check_not_shared(target: Target, place: Place, block: Block) -> None:
    """Refuse an attention whose keys and values later layers read, as in Gemma 3n and Gemma 4.

    Without it those would have none; with it, it would not be gone.

    Raises:
        UsageError: if there are such layers.
    """
    if block.attention is None:
        return
    stores = any(
        getattr(part, "store_full_length_kv", False)
        for part in target.part(block.attention).modules()
    )
    if stores:
        raise target.refuse(
            f"Layer {place}", "later layers read the keys and values that its attention makes"
        )
