"""Which metrics a model can have values of, told from its anatomy before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortexscope.metrics.base.absent import (
    NO_ATTENTION,
    NO_ATTENTION_MATRIX,
    NO_EXPERTS,
    NO_MIXERS,
    NO_NEURONS,
)
from cortexscope.taps import NO_HEAD

if TYPE_CHECKING:
    from cortexscope.models import Anatomy
    from cortexscope.records import MetricSpec

__all__ = ["inapplicable"]


def inapplicable(specs: Sequence[MetricSpec], anatomy: Anatomy) -> dict[str, str]:
    """Return why metrics have no value on a model, by name; those that have are left out."""
    blocks = [block for stack in anatomy.stacks for block in stack.blocks]
    # Where neither attention nor another mixer is known by structure, attention may yet be seen.
    attends = any(block.attention or not block.mixers for block in blocks)
    reads = any(block.attention_input or block.attention_output for block in blocks)
    routes = any(block.router for block in blocks)
    reasons = {}
    for spec in specs:
        kinds = {need.partition(".")[0] for need in spec.needs}
        if "attention" in kinds and not attends:
            reasons[spec.name] = NO_ATTENTION.anywhere
        elif {"inputs.attention", "inputs.heads"} & {*spec.needs} and not reads:
            reasons[spec.name] = NO_ATTENTION_MATRIX.anywhere
        elif {"neurons", "inputs.mlp"} & {*spec.needs} and not any(b.neurons for b in blocks):
            reasons[spec.name] = NO_NEURONS.anywhere
        elif "experts" in kinds and not routes:
            reasons[spec.name] = NO_EXPERTS.anywhere
        elif "mixers" in kinds and not any(block.mixers for block in blocks):
            reasons[spec.name] = NO_MIXERS.anywhere
        elif kinds & {"predictions", "lens", "masked"} and anatomy.unembedding is None:
            reasons[spec.name] = NO_HEAD
    return reasons
