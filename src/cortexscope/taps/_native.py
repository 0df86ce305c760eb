"""Statistics of attention rows by compiled code, beside the model's own attention.

On the CPU by the compiled part of cortexscope, on a GPU by a Triton kernel.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cortexscope.native import attention_rows, takes_attention
from cortexscope.taps._direct import at_once
from cortexscope.taps._mask import Mask
from cortexscope.taps._statistics import Statistics, Wanted
from cortexscope.taps._tokens import Sample
from cortexscope.taps._triton_rows import takes_triton, triton_rows
from cortexscope.taps.rows.entropy import Entropy

__all__ = ["native_rows", "takes_native"]


def takes_native(query: Tensor, key: Tensor) -> bool:
    """Return whether there is compiled code for the rows of such an attention."""
    return takes_attention(query, key) or takes_triton(query, key)


def native_rows(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
    wanted: Wanted,
    sample: Sample | None,
) -> tuple[Statistics, Float[Tensor, "prompt head slot key"] | None]:
    """Return the statistics of all rows, and on the CPU those of the sample whole.

    Args:
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        mask: of the scores, graded or not.
        scale: of the scores.
        wanted: which statistics to compute.
        sample: which rows are wanted whole; none where None, or where they need much room.
    """
    chosen = {row.name: mask.chosen(row.name, query.shape[2], row.chosen) for row in wanted}
    entropy = Entropy.name in chosen
    keys = {name: index for name, index in chosen.items() if index is not None}
    rooms = query.shape[0] * query.shape[1] * key.shape[2]
    if sample is not None and not at_once(rooms * sample.where.shape[1]):
        sample = None
    if query.device.type == "cpu":
        found = attention_rows(
            query,
            key,
            mask.bias,
            causal=mask.causal,
            scale=scale,
            entropy=entropy,
            chosen=keys,
            slots=None if sample is None else (sample.slots, sample.where.shape[1]),
        )
    else:
        found = triton_rows(
            query,
            key,
            mask.bias,
            causal=mask.causal,
            scale=scale,
            entropy=entropy,
            chosen=keys,
        )
    rows = dict(found.masses)
    if found.entropy is not None:
        rows[Entropy.name] = found.entropy
    return rows, found.whole
