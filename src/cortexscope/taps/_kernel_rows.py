"""What a fused attention kernel tells of its rows, without a matrix.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.taps._mask import Mask

__all__ = ["KernelRows", "dot_per_group"]


@dataclass(frozen=True)
class KernelRows:
    """The rows of an attention by its queries, its keys and the log-sum-exp of its scores."""

    query: Float[Tensor, "prompt head query feature"]
    """As the kernel got it: after rotation and norm."""
    key: Float[Tensor, "prompt group key feature"]
    """Likewise; its heads may be fewer than the query's."""
    mask: Mask
    """Not graded."""
    scale: float
    lse: Float[Tensor, "prompt head query"]
    """Log-sum-exp of each row's scores."""
    mean: Float[Tensor, "prompt group 1 feature"]
    """The mean of the keys."""
    expected: Float[Tensor, "prompt head query feature"] | None
    """The mean key of each row less that mean; None where no statistic asked for it."""
    tokens: Bool[Tensor, "prompt query"] | None
    """Which rows are not padding; None where the model is about to be refused."""

    def mass_at(self, index: Int[Tensor, "#prompt #head query"] | None) -> Tensor:
        """Return the probability on a key that each row sees; key 0 where no index is given."""
        query, key = self.query, self.key
        if index is None:
            score = dot_per_group(query, key[:, :, :1])
        else:
            index = index.expand(query.shape[0], query.shape[1], -1)
            rows = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
            keys = rows.gather(2, index[..., None].expand(-1, -1, -1, key.shape[-1]))
            score = (query.float() * keys.float()).sum(-1)
        return (score * self.scale - self.lse).exp_().clamp_(max=1)

    @cached_property
    def on_first_key(self) -> Float[Tensor, "prompt head query"]:
        """The probability on the first key that each row sees."""
        return self.mass_at(self.mask.first)


def dot_per_group(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group #query feature"],
) -> Float[Tensor, "prompt head query"]:
    """Return the product of each query with a key of its group in float32.

    The group has one key for all queries, or one for each.
    """
    grouped: Tensor = query.unflatten(1, (key.shape[1], -1)).float()  # [B, G, H/G, Q, D]
    # Three times as fast as einsum, which would copy the queries into the layout of a product.
    return (grouped * key.float().unsqueeze(2)).sum(-1).flatten(1, 2)
