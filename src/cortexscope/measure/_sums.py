"""Keep the numbers of many layers side by side, and sum them in one go.

A layer gives dozens of small columns; summing each for itself would take longer, in calls alone,
than computing them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cortexscope.metrics.base.means import summed
from cortexscope.metrics.base.states import State, Sums, add
from cortexscope.records import Site

__all__ = ["Columns", "Shelf"]


class Columns:
    """The numbers of one metric, layer by layer.

    Args:
        shelf: where the sums are kept.
        per_head: whether they have the axis of heads.
    """

    _ENTRIES = 1 << 16
    """Most numbers kept before they are summed; more would save no more calls worth the room."""
    _SITES = 64

    def __init__(self, shelf: Shelf, *, per_head: bool) -> None:
        self._shelf = shelf
        self._per_head = per_head
        self._state: State = {}
        self._sites: list[Site] = []
        self._kind: tuple[object, ...] | None = None
        self._values = torch.empty(0)
        self._tokens = torch.empty(0)
        self._keep: Tensor | None = None

    def take(self, site: Site, values: Tensor, tokens: Tensor, keep: Tensor | None) -> None:
        """Keep the numbers of a site.

        Args:
            site: where they are from.
            values: [prompt, (head,) token]; they are copied.
            tokens: which positions hold tokens, [prompt, token].
            keep: which values count, broadcast to them; all that belong to a token where None.
        """
        if 2 * values.numel() > self._ENTRIES:
            self._add([site], summed(values[None], tokens, keep, per_head=self._per_head))
            return
        kind = (
            values.shape,
            values.dtype,
            values.device,
            id(tokens),
            None if keep is None else keep.shape,
        )
        if kind != self._kind or len(self._sites) == len(self._values):
            self._sum()
            size = max(1, min(self._SITES, self._ENTRIES // max(1, values.numel())))
            if kind != self._kind or size != len(self._values):
                self._values = values.new_empty((size, *values.shape))
                self._keep = None if keep is None else keep.new_empty((size, *keep.shape))
            # The mask is kept, so that no other one takes its identity.
            self._kind, self._tokens = kind, tokens
        self._values[len(self._sites)] = values
        if self._keep is not None and keep is not None:
            self._keep[len(self._sites)] = keep
        self._sites.append(site)

    def _sum(self) -> None:
        sites, self._sites = self._sites, []
        if not sites:
            return
        keep = None if self._keep is None else self._keep[: len(sites)]
        values = self._values[: len(sites)]
        self._add(sites, summed(values, self._tokens, keep, per_head=self._per_head))

    def _add(self, sites: Sequence[Site], sums: Sums) -> None:
        total, count = (self._shelf.keep(sums[name]) for name in ("total", "count"))
        # Where all numbers of a token count, they are the same for all sites.
        counts = count if count.dim() == total.dim() else count.expand(len(sites), *count.shape)
        for number, site in enumerate(sites):
            found = {"total": total[number], "count": counts[number]}
            self._state = add(self._state, site, found)

    def state(self) -> State:
        """Return the sums of all sites."""
        self._sum()
        return self._state


class Shelf:
    """Keeps small tensors side by side in large blocks until a forward pass is over.

    Thousands of small tensors, made between the large ones of the layers and outliving them, would
    split the memory that the large ones give back: at 1024 tokens the peak was 400 MB higher.
    """

    _BLOCK = 1 << 17

    def __init__(self) -> None:
        self._blocks: dict[tuple[torch.dtype, torch.device], tuple[Tensor, int]] = {}

    def keep(self, value: Tensor) -> Tensor:
        """Return a copy of a tensor that lies on the shelf."""
        size = value.numel()
        kind = (value.dtype, value.device)
        block, used = self._blocks.get(kind, (value.new_empty(0), 0))
        if used + size > block.numel():
            block, used = value.new_empty(max(self._BLOCK, size)), 0
        self._blocks[kind] = block, used + size
        return block[used : used + size].view(value.shape).copy_(value)
