"""How a stack tells positions apart and how far its attention looks, from structure and config."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["positional_scheme", "window_of"]

# What gives each scheme away: a module's class, a module's or parameter's name, or a key of the
# configuration that is set. The first row that fits names the scheme.
_SCHEMES = (
    ("rotary", "class", re.compile("rotary", re.IGNORECASE)),
    ("rotary", "config", re.compile(r"^rotary_dim$|^rope_parameters$")),
    ("linear bias (ALiBi)", "config", re.compile(r"^alibi$")),
    ("linear bias (ALiBi)", "family", re.compile(r"^(bloom|mpt)$")),
    ("relative bias", "name", re.compile(r"relative_attention_bias|rel_embeddings|r_r_bias")),
    ("relative bias", "config", re.compile(r"^relative_attention$")),
    ("sinusoidal", "class", re.compile("sinusoidal", re.IGNORECASE)),
    ("sinusoidal", "attribute", re.compile(r"^pos_encoding$")),
    ("learned absolute", "name", re.compile(r"pos(ition)?s?_?emb|embed_positions|\bwpe\b")),
)


def positional_scheme(stack: nn.Module) -> str:
    """Return how a stack tells positions apart; `none` where nothing of the kind was found.

    Args:
        stack: the backbone of one stack.
    """
    config = getattr(stack, "config", None)
    names = [name for name, _ in stack.named_modules()] + [n for n, _ in stack.named_parameters()]
    evidence = {
        "class": [type(part).__name__ for part in stack.modules()],
        "name": names,
        "attribute": [*vars(stack), *stack._buffers],
        "config": [key for key, value in vars(config).items() if value] if config else [],
        "family": [str(getattr(config, "model_type", ""))],
    }
    for scheme, kind, pattern in _SCHEMES:
        if any(pattern.search(name) for name in evidence[kind]):
            return scheme
    return "none"


def window_of(config: object, layer: int) -> int | None:
    """Return how many keys a layer's attention looks back at most, None where it sees all.

    For a band that reaches both ways it is the number of keys on either side, and the own one.

    Args:
        config: of the stack.
        layer: from 1.
    """
    kinds = getattr(config, "layer_types", None)
    kind = kinds[layer - 1] if kinds and layer <= len(kinds) else None
    if kind == "chunked_attention":
        return _size(config, "attention_chunk_size")
    band = getattr(config, "attention_window", None)
    if isinstance(band, list | tuple):
        return int(band[min(layer, len(band)) - 1]) // 2 + 1
    if isinstance(band, int):
        return band // 2 + 1
    local = getattr(config, "attention_layers", None)
    if local and layer <= len(local):
        return _size(config, "window_size") if local[layer - 1] == "local" else None
    if kind is not None and kind != "sliding_attention":
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    both_ways = _size(config, "local_attention")
    if both_ways is not None:
        return both_ways // 2 + 1
    return _size(config, "sliding_window", "attention_window_size")


def _size(config: object, *names: str) -> int | None:
    sizes = (getattr(config, name, None) for name in names)
    return next((size for size in sizes if isinstance(size, int) and size > 0), None)
