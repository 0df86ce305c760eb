"""Find what must be measured again before a run is continued."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.errors import CorruptRunError
from cortexscope.store._checks import check_prompts, check_rows, check_values
from cortexscope.store._contents import (
    FileFault,
    read_columns,
    read_rows,
)
from cortexscope.store._hashes import check_hash, known_hashes
from cortexscope.store._layout import Layout
from cortexscope.store._places import Place, check_places, places_of
from cortexscope.store._schema import GENERATIONS
from cortexscope.store._vectors import read_vectors

__all__ = ["ShardFault", "faults_of", "whole_fault"]


class ShardFault(NamedTuple):
    """A file for which a shard has to be measured again."""

    file: Path
    what: str
    """Follows the name: `is missing`."""
    there: bool
    """Whether the shard was measured once: it has its file of measurements."""
    sound: frozenset[str] = frozenset()
    """The ids of prompts that its files hold whole, where nothing is wrong but that others lack."""


def faults_of(
    layout: Layout, model: str, planned: Mapping[int, Collection[str]] | None = None
) -> dict[int, ShardFault]:
    """Return what is wrong with the files of a model's shards, none where all are whole.

    Args:
        layout: of the run.
        model: its label.
        planned: the ids of the prompts that each shard is planned to hold, by its number; those
            that are in its file of measurements where None.
    """
    faults: dict[int, ShardFault] = {}
    places: dict[int, frozenset[Place]] = {}
    parts: dict[int, frozenset[str]] = {}
    shared: dict[frozenset[Place], frozenset[Place]] = {}
    for number in range(layout.manifest.shards[model]):
        found = _looked_into(layout, model, number, None if planned is None else planned[number])
        if isinstance(found, ShardFault):
            faults[number] = found
            continue
        own, there = found
        # Nearly always the same, and many: kept once.
        places[number] = shared.setdefault(own, own)
        if planned is not None and len(there) < len(planned[number]):
            parts[number] = there
    every = frozenset[Place]().union(*shared)
    for number, own in places.items():
        try:
            check_places(own, every)
        except FileFault as fault:
            faults[number] = ShardFault(layout.shard(model, number), str(fault), True)
        else:
            if number in parts and planned is not None:
                what = f"holds {len(parts[number])} of its {len(planned[number])} prompts"
                file = layout.shard(model, number)
                faults[number] = ShardFault(file, what, True, parts[number])
    return dict(sorted(faults.items()))


def _looked_into(
    layout: Layout, model: str, number: int, planned: Collection[str] | None
) -> ShardFault | tuple[frozenset[Place], frozenset[str]]:
    """Return what is wrong with a shard's files, or where its prompts have values, and which.

    That prompts lack is nothing wrong, where no file has any of them.
    """
    shard = layout.shard(model, number)
    there = shard.is_file()
    file = layout.hashes(shard)
    try:
        known = known_hashes(layout, shard)
        file = shard
        # First, as what is damaged may be read as anything.
        check_hash(layout, shard, known)
        metrics = layout.manifest.metrics
        every = [name for name, spec in metrics.items() if spec.replication == "prompt"]
        table = _checked(shard, model, planned if every else None, all_of_them=False)
        places = places_of(table, every)
        if every:
            own: Collection[str] | None = _prompts_of(table)
        elif layout.keeps_vectors(model):
            own = [str(prompt) for prompt, _ in read_vectors(layout.vectors(shard)).prompts]
        else:
            own = planned
        for file in layout.siblings(model, shard):
            check_hash(layout, file, known)
            if file == layout.steps(shard):
                # A text that ends at once has no step.
                _checked(file, model, own, all_of_them=False)
            elif file == layout.generations(shard):
                _check_ids(read_columns(file, GENERATIONS)["prompt_id"].to_pylist(), own)
            else:
                _check_ids([str(prompt) for prompt, _ in read_vectors(file).prompts], own)
    except FileFault as fault:
        return ShardFault(file, str(fault), there)
    except CorruptRunError:
        return ShardFault(file, "is missing or damaged", there)
    return places, frozenset(own or ())


def whole_fault(layout: Layout, model: str, file: Path) -> str | None:
    """Return what is wrong with a model's values that are not of single prompts, None if nothing.

    Args:
        layout: of the run.
        model: its label.
        file: of them.
    """
    try:
        check_hash(layout, file, known_hashes(layout, file))
        table = read_rows(file)
        check_rows(table, model, of_prompts=False)
        check_values(table)
    except FileFault as fault:
        return str(fault)
    return None


def _checked(
    file: Path, model: str, prompts: Collection[str] | None, *, all_of_them: bool
) -> pa.Table:
    table = read_rows(file)
    check_rows(table, model, of_prompts=True)
    check_values(table)
    if prompts is not None:
        check_prompts(_prompts_of(table), prompts, all_of_them=all_of_them)
    return table


def _prompts_of(table: pa.Table) -> list[str]:
    ids: list[str] = pc.unique(table["prompt_id"]).to_pylist()
    return ids


def _check_ids(found: Collection[str], planned: Collection[str] | None) -> None:
    check_prompts(found, found if planned is None else planned)
