"""What a test must know about a family of models beside its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Experts", "Family"]


@dataclass(frozen=True, slots=True)
class Experts:
    """Where the experts of a block are, and how its router chooses among them."""

    mlp: str = "mlp"
    """Path in a block of the module whose input the router sees."""
    router: str = "gate"
    """Path in that module of what holds the router's weight."""
    sigmoid: bool = False
    """Scores are sigmoids of the router's logits rather than their softmax."""
    groups: int = 1
    """Experts stand in this many groups, and are taken from the best of them."""
    layers: tuple[int, ...] = (1, 2, 3)
    """Layers that have experts."""
    per_token: int = 2


@dataclass(frozen=True, slots=True)
class Family:
    """What a tiny model of a family is made of, and what a reference must know about it."""

    kind: Literal["encoder", "decoder", "encoder-decoder"]
    blocks: str
    """Path of the blocks: in the base model, or in each stack of an encoder-decoder."""
    settings: Mapping[str, Any]
    """Of the configuration, beside `_SIZES`."""
    reach: tuple[int | None, ...] = ()
    """By layer: a token sees those less than this many places away; all where None. Where it is 0
    the layer has no softmax attention. Empty where every layer sees all."""
    chunked: bool = False
    """Places are in chunks as long as the reach, and a token sees those of its own."""
    sink: bool = False
    """Each row of attention has one more outcome than it has keys."""
    banded: bool = False
    """Returns attention by the distance of the key rather than by its place."""
    embedded: bool = True
    """Returns its embedding output as the first of its hidden states."""
    experts: Experts | None = None
    told_positions: bool = True
    """Counts positions from the first column unless it is given `position_ids`."""
    shifted: str | None = None
    """Why padding on the left changes what this family makes of a prompt, where it does."""
    double: bool = True
    """Computes in float64 when it is asked to."""
    sharpness: float = 10.0
    """By how much matrices are larger than at the start of training."""
