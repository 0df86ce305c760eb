"""Whether all rows attend to the same keys: how unevenly attention is received."""

from __future__ import annotations

from collections.abc import Iterator

from cortexscope.metrics.base.absent import NO_ATTENTION
from cortexscope.metrics.base.means import quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, Sums, add, mapped
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionSample

__all__ = ["AttentionReceivedConcentration"]


class AttentionReceivedConcentration(Metric):
    """Return the sum over keys of the squared share of all attention that a key receives.

    Per layer and head: sum_j s_j^2, the Herfindahl index of what the keys receive from all rows
    together. 1 where one key gets everything; 1 / n where n keys get the same, so that it falls
    with length by construction. If every row attends to itself it is 1 over the rows that are
    looked at, 32 in a sample.
    """

    together = True
    spec = MetricSpec(
        name="attention_received_concentration",
        title="Received attention, concentration",
        unit="1",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.rows",),
        definition="Sum over keys of the squared share of all attention on keys, summed over the "
        "query rows looked at, that the key receives.",
        source="cortexscope; received attention as in Zhang et al. 2023, H2O: Heavy-hitter oracle",
        group="attention",
        sampled=True,
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add what each key receives."""
        if not isinstance(seen, AttentionSample):
            return state
        tokens = seen.tokens.sum(-1).double()
        return add(state, site, {"received": seen.received.double(), "tokens": tokens})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Square the shares and add them up."""
        yield from quotients(
            mapped(state, _concentration),
            layout.attention,
            "no attention falls on a key",
            absent=NO_ATTENTION,
            known=layout.known.attention,
        )


def _concentration(sums: Sums) -> Sums:
    received = sums["received"]
    every = received.sum(-1, keepdim=True)
    some = every[..., 0] != 0
    shares = received / every.where(some[..., None], 1)
    total = shares.square().sum(-1).clamp(max=1)
    return {"total": total, "count": some.double(), "tokens": sums["tokens"]}
