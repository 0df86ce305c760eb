"""How much a block turns the states that it is given."""

from __future__ import annotations

from torch import Tensor

from cortexscope.metrics.base.absent import Absent
from cortexscope.metrics.base.means import MeanOverStates
from cortexscope.metrics.base.metric import Layout, Seen
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import HiddenStates

__all__ = ["BlockInfluence"]


class BlockInfluence(MeanOverStates):
    """Return the mean of 1 less the cosine of a state before and after a block, per layer 1..L.

    A block that only scales its input has influence 0, one that turns it by a right angle 1. A
    state of zeros has no direction and is left out.
    """

    spec = MetricSpec(
        name="block_influence",
        title="Block influence",
        unit="1",
        axes=("layer",),
        bounds=(0.0, 2.0),
        needs=("hidden",),
        definition="1 less the mean over tokens of the cosine of a block's input and output, the "
        "last one before the final norm.",
        source="Men et al. 2024, ShortGPT: layers in large language models are more redundant than "
        "you expect",
        group="depth",
    )
    undefined = "no token whose state is not zero both before and after the block"
    absent = Absent(
        "no layers",
        "the states before the block are on another device",
        "the states before the block are on another device",
    )

    def takes(self, site: Site, seen: Seen) -> bool:
        """Take the outputs of blocks."""
        return super().takes(site, seen) and site.layer != 0

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return all blocks."""
        return layout.blocks

    def value(self, seen: HiddenStates) -> Tensor | None:
        """Return 1 less the cosines of all tokens."""
        cosines = seen.cosines_before
        return None if cosines is None else (1 - cosines).clamp(0, 2)

    def keep(self, seen: HiddenStates) -> Tensor | None:
        """Return which tokens have a direction before and after."""
        return (seen.norms != 0) & (seen.norms_before != 0)
