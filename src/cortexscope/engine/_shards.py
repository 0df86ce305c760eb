"""Measure shards one after the other and store each when it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortexscope.engine._batches import Shard
from cortexscope.engine._request import Progress
from cortexscope.store import RunWriter

if TYPE_CHECKING:
    from cortexscope.engine._worker import Worker

__all__ = ["measure_shards", "shards_to_do"]


def shards_to_do(
    label: str, shards: Sequence[Shard], writer: RunWriter, progress: Progress
) -> list[Shard]:
    """Return the shards that are not there, or not whole; say which were there and are not now.

    Args:
        label: of the model.
        shards: all of them.
        writer: of the run.
        progress: told what is measured again.
    """
    again = writer.manifest.status == "complete"
    todo = []
    for shard in shards:
        prompts = [item.prompt.id for batch in shard.batches for item in batch.items]
        fault = writer.fault(label, shard.number, prompts)
        if fault is None:
            continue
        todo.append(shard)
        if again or fault.there:
            progress.note(f"{label}: measures again what {fault.file.name} holds: it {fault.what}")
    return todo


def measure_shards(
    worker: Worker, label: str, shards: Sequence[Shard], writer: RunWriter, progress: Progress
) -> None:
    """Measure and store shards of a model; say why it generates nothing, if it was asked to.

    Args:
        worker: with the model.
        label: of the model.
        shards: that are still to be measured.
        writer: of the run.
        progress: told what happens.
    """
    if worker.refusal is not None:
        progress.note(f"{label}: generates nothing: {worker.refusal}")
        writer.note_ungenerated(label, worker.refusal)
    texts = full = 0
    said = False
    for shard in shards:
        if worker.generates:
            with writer.steps(label, shard.number) as take:
                measured = worker.measure(shard, progress.advance, take)
        else:
            measured = worker.measure(shard, progress.advance)
        writer.write_shard(
            label, shard.number, measured.table, measured.vectors, measured.generations
        )
        if measured.not_finite is not None and not said:
            progress.note(f"{label}: {measured.not_finite}; values made of them are left empty")
            said = True
        if measured.generations is not None:
            finishes = measured.generations["finish"].to_pylist()
            texts, full = texts + len(finishes), full + finishes.count("context")
    if full:
        progress.note(
            f"{label}: {full} of {texts} texts end early, where the model's context is full"
        )
