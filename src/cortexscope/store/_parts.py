"""What is there of a shard of which only some prompts are measured, so that the rest can follow."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from cortexscope.store._contents import read_columns
from cortexscope.store._layout import Layout
from cortexscope.store._schema import GENERATIONS, MEASUREMENTS
from cortexscope.store._vectors import Vectors, read_vectors

__all__ = ["ShardPart", "read_part"]


class ShardPart(NamedTuple):
    """What is there of a shard."""

    table: pa.Table
    """Measurements of prompts."""
    vectors: Vectors | None
    """None where none are kept."""
    steps: pa.Table | None
    """Measurements of generated tokens, None where the model generates nothing."""
    generations: pa.Table | None
    """What the model added to the prompts; None as `steps`."""


def read_part(layout: Layout, model: str, number: int) -> ShardPart:
    """Return what is there of a shard that `faults_of` has found sound as far as it goes.

    Args:
        layout: of the run.
        model: its label.
        number: of the shard.
    """
    file = layout.shard(model, number)
    generates = layout.generates(model)
    return ShardPart(
        read_columns(file, MEASUREMENTS),
        read_vectors(layout.vectors(file)) if layout.keeps_vectors(model) else None,
        read_columns(layout.steps(file), MEASUREMENTS) if generates else None,
        read_columns(layout.generations(file), GENERATIONS) if generates else None,
    )
