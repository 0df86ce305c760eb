"""How attention spreads as a prompt goes on: entropy by the query's token number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from cortexscope.metrics.base.absent import NO_ATTENTION
from cortexscope.metrics.base.means import quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, add
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows

__all__ = ["AttentionEntropyByPosition"]

_FIRST = (1, 4, 16, 64, 256, 1024, 4096)
"""The token number at which each bin begins."""


class AttentionEntropyByPosition(Metric):
    """Return the mean entropy in nats of the rows whose query lies in one bin of token numbers.

    Over all heads and rows of the bin, per layer. Tokens are numbered from 1; the bins are 1-3,
    4-15, 16-63, 64-255, 256-1023, 1024-4095, and 4096 and beyond, each named by its first number.
    Even causal attention has the mean of ln 1, ln 2, ln 3 = 0.597 in bin 1; attention to one key
    has 0 in every bin.
    """

    together = True
    spec = MetricSpec(
        name="attention_entropy_by_position",
        title="Attention entropy by position",
        unit="nats",
        axes=("layer", "position bin"),
        bounds=(0.0, None),
        needs=("attention.entropy",),
        definition="Mean over heads and over the query rows of one bin of token numbers of the "
        "Shannon entropy of the row's attention; a bin is named by its first token number: 1, 4, "
        "16, 64, 256, 1024, 4096.",
        source="cortexscope; entropy as in Clark et al. 2019, What does BERT look at?",
        group="attention",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the entropies of the rows to their bins."""
        if not isinstance(seen, AttentionRows) or (entropy := seen.of("entropy")) is None:
            return state
        tokens, ranks = seen.tokens, seen.positions.ranks
        edges = torch.tensor(_FIRST[1:], device=ranks.device)
        bins = torch.bucketize(ranks + 1, edges, right=True)
        means = torch.where(tokens, entropy.mean(1), 0).double()
        empty = means.new_zeros(len(means), len(_FIRST))
        return add(
            state,
            site,
            {
                "total": empty.scatter_add(1, bins, means),
                "count": empty.scatter_add(1, bins, tokens.double()),
            },
        )

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide, bin by bin."""
        for found in quotients(
            state,
            layout.attention,
            "no query row in this bin",
            absent=NO_ATTENTION,
            known=layout.known.attention,
        ):
            yield replace(found, index=None if found.values is None else _FIRST)
