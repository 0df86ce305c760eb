"""Sums and counts: what a metric keeps of what it saw, and how shards of it merge.

A state maps a site to named float64 tensors whose first axis is the prompt. Sums add up, so the
order in which parts of a prompt are seen, or shards are merged, changes nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Num
from torch import Tensor
from torch.nn import functional

from cortexscope.records import Site

__all__ = [
    "Block",
    "Blocks",
    "State",
    "Sums",
    "add",
    "beside",
    "concatenate",
    "mapped",
    "merge",
    "select",
    "side_by_side",
    "total",
]

Sums = Mapping[str, Tensor]
"""Named sums and counts of one site, each [prompt, ...] in float64."""

State = Mapping[Site, Sums]
"""All that a metric keeps of the prompts it saw."""


class Block(NamedTuple):
    """The sums of several sites side by side."""

    sites: tuple[Site, ...]
    sums: Sums
    """Each [site, prompt, ...]."""


class Blocks(Mapping[Site, Sums]):
    """A state whose sums lie side by side, a block for many sites.

    What is kept of a hundred layers is then finished in as many calls as that of one. Who asks for
    a site is given its part of them.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self._places = {
            site: (block, place)
            for block in self.blocks
            for place, site in enumerate(block.sites)
        }  # fmt: skip

    def __getitem__(self, site: Site) -> Sums:
        """Return the sums of one site."""
        block, place = self._places[site]
        return {name: value[place] for name, value in block.sums.items()}

    def __iter__(self) -> Iterator[Site]:
        """Yield the sites."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return how many sites there are."""
        return len(self._places)

    def __contains__(self, site: object) -> bool:
        """Return whether a site was seen; nothing is taken out of its block for it."""
        return site in self._places


def beside(state: State, block: Block) -> State:
    """Return the state with the sums of a block: beside what it has, or added to it."""
    if not state:
        return Blocks([block])
    if isinstance(state, Blocks) and state.keys().isdisjoint(block.sites):
        return Blocks([*state.blocks, block])
    return merge(state, Blocks([block]))


def mapped(state: State, change: Callable[[Sums], Sums]) -> State:
    """Return what is made of the sums of each site.

    Args:
        state: any.
        change: of sums to sums, with any axes before that of the prompts.
    """
    if isinstance(state, Blocks):
        return Blocks([Block(own.sites, change(own.sums)) for own in state.blocks])
    return {site: change(sums) for site, sums in state.items()}


def side_by_side(state: State, sites: Sequence[Site]) -> Iterator[Block]:
    """Yield the sums of those sites that were seen, in order: in one block all that are alike."""
    alike: dict[tuple[tuple[str, torch.Size], ...], list[Block]] = {}
    for block in _within(state, sites):
        shapes = tuple((name, value.shape[1:]) for name, value in block.sums.items())
        alike.setdefault(shapes, []).append(block)
    order = {site: place for place, site in enumerate(sites)}
    for blocks in alike.values():
        found = tuple(site for block in blocks for site in block.sites)
        every = [block.sums for block in blocks]
        sums = every[0]
        if len(every) > 1:
            sums = {name: torch.cat([own[name] for own in every]) for name in sums}
        ranks = [order[site] for site in found]
        if ranks != sorted(ranks):
            places = sorted(range(len(found)), key=ranks.__getitem__)
            found = tuple(found[place] for place in places)
            sums = {name: value[places] for name, value in sums.items()}
        yield Block(found, sums)


def _within(state: State, sites: Sequence[Site]) -> Iterator[Block]:
    """Yield what a state holds of some sites, in blocks."""
    if not isinstance(state, Blocks):
        for site in sites:
            sums = state.get(site)
            if sums is not None:
                yield Block((site,), {name: value[None] for name, value in sums.items()})
        return
    wanted = set(sites)
    for block in state.blocks:
        places = [place for place, site in enumerate(block.sites) if site in wanted]
        if len(places) == len(block.sites):
            yield block
        elif places:
            own = tuple(block.sites[place] for place in places)
            yield Block(own, {name: value[places] for name, value in block.sums.items()})


def total(
    rows: Num[Tensor, "*rows token"], keep: Bool[Tensor, "*_ token"]
) -> Num[Tensor, " *rows"]:
    """Return the sum over tokens in float64, of the rows that are kept; others may be NaN."""
    return torch.where(keep, rows, 0).sum(-1, dtype=torch.float64)


def add(state: State, site: Site, sums: Sums) -> State:
    """Return the state with `sums` added at `site`, for the same prompts in the same order."""
    return {**state, site: _sum(state.get(site), sums)}


def _sum(before: Sums | None, sums: Sums) -> Sums:
    if before is None:
        return sums
    return {name: before[name] + value for name, value in sums.items()}


def merge(left: State, right: State) -> State:
    """Return the state of two parts of the same prompts, such as two pieces of a text."""
    merged = dict(left)
    for site, sums in right.items():
        merged[site] = _sum(left.get(site), sums)
    return merged


def concatenate(left: State, right: State) -> State:
    """Return the state of two groups of prompts that were seen at the same sites.

    Sums that one group has for more keys than the other are 0 for the other.
    """
    if not left or not right:
        return left or right
    return {
        site: {name: _joined(value, right[site][name]) for name, value in sums.items()}
        for site, sums in left.items()
    }


def _joined(left: Tensor, right: Tensor) -> Tensor:
    longest = max(left.shape[-1], right.shape[-1]) if left.dim() > 1 else 0
    if longest and left.shape[-1] != right.shape[-1]:
        left, right = (functional.pad(x, (0, longest - x.shape[-1])) for x in (left, right))
    return torch.cat([left, right])


def select(state: State, prompts: Sequence[int]) -> State:
    """Return the state of some of the prompts, in the order given."""
    rows = torch.tensor(prompts, dtype=torch.long)
    return {
        site: {name: value[rows.to(value.device)] for name, value in sums.items()}
        for site, sums in state.items()
    }
