"""What a head does that is one matrix, as data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Unembedding", "after", "after_of", "pieces"]

_ENTRIES = 1 << 20
"""Most logits, and most entries of the unembedding in another precision, at a time: few enough to
stay in a processor's cache."""

_EVEN = 64
"""Of so many tokens a product takes a fifth less time than of one less: its rows begin where a
cache line does."""

_FACTORS = {"logit_scale": 1, "lm_head_multiplier": 1, "logits_scaling": -1}
_CAPS = ("final_logit_softcapping", "logits_soft_cap")


class Unembedding(NamedTuple):
    """A head that is one matrix, as data: logits = factor * (inputs W' + bias), softly capped."""

    weight: Float[Tensor, "token width"]
    bias: Float[Tensor, " token"] | None
    factor: float
    cap: float | None

    def scores(self, inputs: Float[Tensor, "row width"]) -> Iterator[tuple[int, Tensor]]:
        """Yield logits as `Readout.scores` does."""
        wide = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        for piece in pieces(inputs, len(self.weight)):
            raw = inputs.to(wide) @ self.weight[piece].to(wide).T
            raw = raw if self.bias is None else raw + self.bias[piece].to(wide)
            yield piece.start, _scaled(raw, self.factor, self.cap)


def pieces(inputs: Float[Tensor, "row width"], vocabulary: int) -> Iterator[slice]:
    """Yield the pieces of the vocabulary whose logits are best computed together."""
    step = max(1, _ENTRIES // max(inputs.shape))
    step -= step % _EVEN if step > _EVEN else 0
    for start in range(0, vocabulary, step):
        yield slice(start, start + step)


def after(config: object) -> Callable[[Tensor], Tensor]:
    """Return what a configuration says that the model does after its unembedding."""
    factor, cap = after_of(config)
    return partial(_scaled, factor=factor, cap=cap)


def _scaled(raw: Tensor, factor: float, cap: float | None) -> Tensor:
    scaled = raw if factor == 1 else raw * factor
    return scaled if cap is None else cap * torch.tanh(scaled / cap)


def after_of(config: object) -> tuple[float, float | None]:
    """Return by what logits are multiplied, and at what they are capped."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    found = {name: getattr(text, name, None) for name in (*_FACTORS, *_CAPS)}
    numbers = {name: float(x) for name, x in found.items() if isinstance(x, int | float) and x}
    factor = math.prod(
        numbers[name] ** power for name, power in _FACTORS.items() if name in numbers
    )
    return float(factor), next((numbers[name] for name in _CAPS if name in numbers), None)
