"""Which sites a model has, told from its structure."""

from __future__ import annotations

from collections.abc import Callable, Collection

from cortexscope.metrics.base.metric import Known, Layout
from cortexscope.models import Anatomy, Block
from cortexscope.records import Site, Stack

__all__ = ["layout_of"]


def layout_of(anatomy: Anatomy, ran: Collection[Stack]) -> Layout:
    """Return the sites of the stacks that ran.

    Cross-attention belongs to a decoder that has an encoder; it is no stack with blocks of its own.
    """
    stacks = [stack for stack in anatomy.stacks if stack.name in ran]
    blocks = [
        tuple(Site(stack.name, layer) for layer in range(1, len(stack.blocks) + 1))
        for stack in stacks
    ]
    crossed = [
        tuple(Site("cross", site.layer) for site in sites)
        for stack, sites in zip(stacks, blocks, strict=True)
        if stack.has_cross_attention and len(anatomy.stacks) > 1
    ]
    sites = [
        (block, Site(stack.name, layer))
        for stack in stacks
        for layer, block in enumerate(stack.blocks, start=1)
    ]

    def having(part: Callable[[Block], object]) -> frozenset[Site]:
        return frozenset(site for block, site in sites if part(block))

    attending = having(lambda block: block.attention)
    if crossed:
        looking = having(lambda block: block.cross_attention)
        attending |= {Site("cross", site.layer) for site in looking}
    return Layout(
        known=Known(
            attention=attending,
            experts=having(lambda block: block.experts),
            neurons=having(lambda block: block.neurons),
            mixers=having(lambda block: block.mixers),
        ),
        hidden=tuple((Site(sites[0].stack, 0), *sites) for sites in blocks),
        blocks=tuple(blocks),
        attention=(*blocks, *crossed),
        final=tuple(Site.final(stack.name) for stack in stacks),
    )
