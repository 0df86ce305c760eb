"""What a mask lets each query row see: how many keys, and which is the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from cortexscope.taps._place import Place

__all__ = [
    "Mask",
    "Masks",
    "first_query",
    "first_tokens",
    "picked_rows",
    "read_mask",
    "visible_keys",
]

_FAR = 5000.0
"""So far below the best score of its row lies only a key that is hidden: models hide one by adding
-10,000 or the lowest number of the dtype, some before they divide; from 104 below, a float32
softmax is 0 in any case."""


def visible_keys(scores: Shaped[Tensor, "*rows key"]) -> Bool[Tensor, "*rows key"]:
    """Return which entries of a boolean mask, an additive mask or masked scores can be seen."""
    if scores.dtype == torch.bool:
        return scores
    return scores > scores.amax(-1, keepdim=True) - _FAR


class SeenRows(NamedTuple):
    """What some rows of a mask let see."""

    queries: Int[Tensor, "prompt row"] | None
    """The rows that were asked of."""
    rows: slice
    """Which of them."""
    places: Int[Tensor, "#prompt row"]
    """Which queries these are."""
    bias: Float[Tensor, "#prompt #head #row #key"] | None
    """What is added to their scores."""
    keys: Bool[Tensor, "#prompt #head row key"]
    """Which keys they can see."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask read once and used by every layer that shares it."""

    causal: bool
    """Whether query i sees keys 0..i and there is no other mask."""
    bias: Float[Tensor, "#prompt #head #query #key"] | None
    """The mask as an additive bias in the dtype of the queries, None where there is none."""
    graded: bool
    """Whether the bias of visible keys is not zero everywhere, as with ALiBi."""
    visible: Int[Tensor, "#prompt #head query"]
    """Number of keys that each row sees."""
    first: Int[Tensor, "#prompt #head query"] | None
    """Index of the first key that each row sees; None where it is key 0 for all."""
    shift: int = 0
    """Where query 0 is on the axis of the keys: behind those that a cache holds."""
    start: Int[Tensor, "#prompt #head"] | None = None
    """Index of the key of each prompt's first token, below 0 where it is not there any more; None
    where it is key 0 for all."""
    _last: list[SeenRows] = field(default_factory=list, init=False, repr=False, compare=False)
    """What `seen_by` found last, if anything: every layer asks for the same rows."""
    _chosen: dict[tuple[str, int], Tensor | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def seen_by(
        self, queries: Int[Tensor, "prompt row"] | None, rows: slice, keys: int
    ) -> SeenRows:
        """Return which queries some rows are, and which keys they can see.

        Args:
            queries: which rows of each prompt, all where None.
            rows: which of them.
            keys: number of keys.
        """
        for last in self._last:
            if last.queries is queries and last.rows == rows and last.keys.shape[-1] == keys:
                return last
        device, bias = self.visible.device, self.bias
        if queries is None:
            places = torch.arange(rows.start, rows.stop, device=device)[None]
        else:
            places = queries[:, rows]
        if bias is not None and bias.shape[2] > 1:
            bias = bias[:, :, rows] if queries is None else picked_rows(bias, places)
        seen = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
        seen = seen if bias is None else visible_keys(bias)
        if self.causal:
            seen = seen & (torch.arange(keys, device=device) <= places[..., None])[:, None]
        seen = seen.expand(*seen.shape[:2], places.shape[-1], keys)
        self._last[:] = [SeenRows(queries, rows, places, bias, seen)]
        return self._last[0]

    def chosen(
        self, name: str, queries: int, choose: Callable[[Mask, int], Tensor | None]
    ) -> Tensor | None:
        """Return which key of each row a statistic is about; the same for every layer.

        Args:
            name: of the statistic.
            queries: number of rows.
            choose: says it, and is asked once.
        """
        if (name, queries) not in self._chosen:
            self._chosen[name, queries] = choose(self, queries)
        return self._chosen[name, queries]

    def of(self, prompts: Int[Tensor, pair], heads: Int[Tensor, pair]) -> Mask:
        """Return the masks of single heads, [pair, 1, ...]."""

        def picked(part: Tensor | None) -> Tensor | None:
            if part is None:
                return None
            row = prompts if part.shape[0] > 1 else torch.zeros_like(prompts)
            column = heads if part.shape[1] > 1 else torch.zeros_like(heads)
            return part[row, column][:, None]

        visible = picked(self.visible)
        assert visible is not None
        return Mask(
            self.causal,
            picked(self.bias),
            graded=self.graded,
            visible=visible,
            first=picked(self.first),
            shift=self.shift,
            start=picked(self.start),
        )


def picked_rows(
    rows: Shaped[Tensor, "#prompt head query *rest"], queries: Int[Tensor, "prompt row"]
) -> Shaped[Tensor, "prompt head row *rest"]:
    """Return some rows of each prompt."""
    prompts = queries.shape[0]
    rows = rows.expand(prompts, *rows.shape[1:])
    every = torch.arange(prompts, device=rows.device)[:, None]
    picked: Tensor = rows[every, :, queries].movedim(2, 1)
    return picked


def first_query(so_far: Bool[Tensor, "prompt position"] | None, queries: int, keys: int) -> int:
    """Return where query 0 is on the axis of the keys.

    Args:
        so_far: which positions hold tokens, earlier passes included; None where that is not known.
        queries: number of queries, the last of these positions.
        keys: number of keys: the last of these positions where a window let go of the others, and
            more where a cache has room for tokens to come.
    """
    return (keys if so_far is None else min(keys, so_far.shape[1])) - queries


def first_tokens(
    so_far: Bool[Tensor, "prompt position"] | None, keys: int, first: Tensor | None
) -> Int[Tensor, "#prompt #head"] | None:
    """Return where the first token of each prompt is among the keys; None for key 0.

    It is below 0 where a window let go of it.

    Args:
        so_far: as above.
        keys: number of keys.
        first: the first key that each row sees, [prompt, head, query]; None for key 0.
    """
    if so_far is None:
        # Of keys of another stack the rows know whether they are padding.
        return None if first is None else first[..., -1]
    gone = max(0, so_far.shape[1] - keys)
    start = so_far.to(torch.uint8).argmax(-1, keepdim=True) - gone
    return start if bool(start.any()) else None


def read_mask(
    mask: Tensor | None,
    *,
    queries: int,
    keys: int,
    causal: bool,
    like: Tensor,
    so_far: Bool[Tensor, "prompt position"] | None = None,
) -> Mask:
    """Read what `scaled_dot_product_attention` was given as its mask.

    Args:
        mask: boolean (True is seen) or additive, of up to four axes ending in [query, key].
        queries: number of query rows.
        keys: number of keys.
        causal: the flag `is_causal` of the call; aligned at the top left, as torch does.
        like: a tensor with the dtype and the device of the queries.
        so_far: which positions hold tokens, earlier passes included; None where that is not known,
            or the keys are of another stack.
    """
    device = like.device
    so_far = None if so_far is None else so_far.to(device)
    shift = 0 if causal else first_query(so_far, queries, keys)
    if mask is None:
        if causal:
            seen = (torch.arange(queries, device=device) + 1).clamp(max=keys)
        else:
            seen = torch.full((queries,), keys, device=device)
        return Mask(
            causal,
            None,
            graded=False,
            visible=seen[None, None],
            first=None,
            shift=shift,
            start=first_tokens(so_far, keys, None),
        )
    mask = mask.detach()
    mask = mask.reshape((1,) * (4 - mask.dim()) + tuple(mask.shape))
    visible = visible_keys(mask)
    if mask.dtype == torch.bool:
        bias = torch.zeros(mask.shape, dtype=like.dtype, device=device)
        bias.masked_fill_(~mask, float("-inf"))
        graded = False
    else:
        bias = mask
        graded = bool((mask.masked_fill(~visible, 0) != 0).any())
    if causal:
        visible = visible & torch.ones(queries, keys, dtype=torch.bool, device=device).tril()
    every = visible.to(torch.uint8).argmax(-1)
    first = every.expand(-1, -1, queries) if bool(every.any()) else None
    return Mask(
        causal,
        bias,
        graded=graded,
        visible=visible.sum(-1).expand(-1, -1, queries),
        first=first,
        shift=shift,
        start=first_tokens(so_far, keys, first),
    )


class Masks:
    """The masks of one forward pass, each read once though many layers share it."""

    def __init__(self) -> None:
        self._read: dict[tuple[Any, ...], tuple[Tensor | None, Mask]] = {}

    def forget(self) -> None:
        """Drop them, since another pass begins."""
        self._read.clear()

    def of(
        self, place: Place, mask: Tensor | None, query: Tensor, key: Tensor, *, causal: bool
    ) -> Mask:
        """Return what a call of attention was given as its mask, read."""
        queries, keys = query.shape[2], key.shape[2]
        name: tuple[Any, ...] = (queries, keys, causal, query.dtype, place.cross)
        if mask is not None:
            # How often it was written to is not counted in inference mode.
            version = None if mask.is_inference() else mask._version
            name += (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype, version)
        if name not in self._read:
            # The tensor is kept beside what was read of it, so that its address stays taken.
            self._read[name] = (
                mask,
                read_mask(
                    mask,
                    queries=queries,
                    keys=keys,
                    causal=causal,
                    like=query,
                    so_far=place.positions(keys),
                ),
            )
        return self._read[name][1]
