"""Find what must be measured again before a run is continued."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from cortexscope.errors import CorruptRunError
from cortexscope.store._checks import check_prompts, check_rows
from cortexscope.store._contents import (
    FileFault,
    read_columns,
    read_rows,
)
from cortexscope.store._layout import Layout
from cortexscope.store._schema import GENERATIONS
from cortexscope.store._vectors import read_vectors

__all__ = ["ShardFault", "fault_of"]


class ShardFault(NamedTuple):
    """A file for which a shard has to be measured again."""

    file: Path
    what: str
    """Follows the name: `is missing`."""
    there: bool
    """Whether the shard was measured once: it has its file of measurements."""


def fault_of(
    layout: Layout, model: str, number: int, prompts: Collection[str]
) -> ShardFault | None:
    """Return what is wrong with a shard's files, None where they are there and whole.

    Args:
        layout: of the run.
        model: its label.
        number: of the shard.
        prompts: the ids of those that it is planned to hold.
    """
    shard = file = layout.shard(model, number)
    there = shard.is_file()
    try:
        _check_measurements(shard, model, prompts, all_of_them=True)
        for file in layout.siblings(model, shard):
            if file == layout.steps(shard):
                # A text that ends at once has no step.
                _check_measurements(file, model, prompts, all_of_them=False)
            elif file == layout.generations(shard):
                check_prompts(read_columns(file, GENERATIONS)["prompt_id"].to_pylist(), prompts)
            else:
                check_prompts([str(prompt) for prompt, _ in read_vectors(file).prompts], prompts)
    except FileFault as fault:
        return ShardFault(file, str(fault), there)
    except CorruptRunError:
        return ShardFault(file, "is missing or damaged", there)
    return None


def _check_measurements(
    file: Path, model: str, prompts: Collection[str], *, all_of_them: bool
) -> None:
    table = read_rows(file)
    check_rows(table, model, of_prompts=True)
    check_prompts(pc.unique(table["prompt_id"]).to_pylist(), prompts, all_of_them=all_of_them)
