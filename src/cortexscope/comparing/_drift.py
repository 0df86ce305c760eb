"""How far the states of one model lie from those of another that it stems from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cortexscope.taps import Tokens

__all__ = ["Drift", "drift", "unrelated"]

_ALIKE = 0.5
"""Cosine of embeddings from which one model stems from the other: it is 0 on average between
models that were trained apart, and fine-tuning leaves it above 0.9."""
_ROWS = 4096
"""Most rows of the embeddings that are compared."""


class Drift(NamedTuple):
    """How far a layer's states lie apart, the mean over a prompt's tokens; NaN where undefined."""

    distance: Float[Tensor, " prompt"]
    """Length of the difference, as a share of the base's state."""
    distance_rest: Float[Tensor, " prompt"]
    """The same without each prompt's first token."""
    cosine: Float[Tensor, " prompt"]
    """Cosine of the two states."""
    cosine_rest: Float[Tensor, " prompt"]
    """The same without each prompt's first token."""


def drift(
    base: Float[Tensor, "prompt token feature"],
    other: Float[Tensor, "prompt token feature"],
    tokens: Tokens,
) -> Drift:
    """Return how far states lie from those of the base, in float64.

    |y - x| / |x| and x.y / (|x||y|), the means over a prompt's tokens. Equal states have the
    distance 0 exactly; states turned by a right angle have the distance sqrt(2) and the cosine 0.

    Args:
        base: its states, x.
        other: the other's, y, of the same tokens.
        tokens: which positions hold some.
    """
    x, y = (_wide(states) for states in (base, other))
    lengths = [torch.linalg.vector_norm(states, dim=-1) for states in (x, y)]
    product = (x * y).sum(-1)
    distance = torch.linalg.vector_norm(y - x, dim=-1) / lengths[0]
    cosine = product / (lengths[0] * lengths[1])
    here = tokens.to(x.device)
    kept = (here.mask, here.rest)
    return Drift(*(_mean(values, mask) for values in (distance, cosine) for mask in kept))


def _wide(states: Tensor) -> Tensor:
    # Apple's GPUs have no float64.
    return (states.cpu() if states.device.type == "mps" else states).double()


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    total = torch.where(mask, values, 0).sum(-1)
    return (total / mask.sum(-1)).cpu()


def unrelated(base: nn.Module, other: nn.Module) -> str | None:
    """Return why the states of two models lie in different spaces, None where one stems from other.

    Models of one width that stem from one another have embeddings that point the same way.
    """
    first, second = (_embeddings(module) for module in (base, other))
    if first is None or second is None:
        return "a model has no embeddings to tell by whether one stems from the other"
    if first.shape[1] != second.shape[1]:
        return f"states have {first.shape[1]} and {second.shape[1]} features"
    rows = min(len(first), len(second))
    chosen = torch.arange(0, rows, max(1, rows // _ROWS))
    one, two = (own[chosen.to(own.device)].double().cpu() for own in (first, second))
    cosines = torch.nn.functional.cosine_similarity(one, two, dim=-1)
    alike = float(cosines.median())
    if alike >= _ALIKE:
        return None
    return (
        f"neither stems from the other: their embeddings have a cosine of {alike:.2f}, so that "
        "their features are not the same"
    )


def _embeddings(module: nn.Module) -> Tensor | None:
    found = getattr(module, "get_input_embeddings", lambda: None)()
    weight = getattr(found, "weight", None)
    if not isinstance(weight, Tensor) or weight.is_meta or weight.dim() != 2:
        return None
    return weight if weight.is_floating_point() else None
