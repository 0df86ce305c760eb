"""Which shards are to be measured, and how each is stored when it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from cortexscope.engine._batches import Shard
from cortexscope.engine._job import Finished, Steps
from cortexscope.engine._request import Progress
from cortexscope.store import WHOLES, RunWriter

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Keeper", "shards_to_do"]


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
    planned = {
        shard.number: [item.prompt.id for batch in shard.batches for item in batch.items]
        for shard in shards
    }
    faults = writer.faults(label, planned)
    todo = []
    for shard in shards:
        fault = faults.get(shard.number)
        if fault is None:
            continue
        todo.append(shard)
        if again or fault.there:
            progress.note(f"{label}: measures again what {fault.file.name} holds: it {fault.what}")
    return todo


class _LostError(Exception):
    """What is half written counts no more."""


class Keeper:
    """Stores what a backend measured of a model, and says what there is to say of it.

    Leaving its block by an error removes what is half written.

    Args:
        label: of the model.
        writer: of the run.
        progress: told what happens.
    """

    def __init__(self, label: str, writer: RunWriter, progress: Progress) -> None:
        self._label = label
        self._writer = writer
        self._progress = progress
        self._exits = ExitStack()
        self._steps: dict[int, tuple[ExitStack, Callable[[pa.Table], None]]] = {}
        self._texts = self._full = 0
        self._said = False

    def __enter__(self) -> Keeper:
        self._exits.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.__exit__(kind, error, trace)
        if kind is None and self._full:
            self._progress.note(
                f"{self._label}: {self._full} of {self._texts} texts end early, where the model's "
                "context is full"
            )

    def refused(self, refusal: str) -> None:
        """Note why the model generates nothing though it was asked to."""
        self._progress.note(f"{self._label}: generates nothing: {refusal}")
        self._writer.note_ungenerated(self._label, refusal)

    def keep(self, found: Steps | Finished) -> None:
        """Store what was measured."""
        if isinstance(found, Steps):
            _, take = self._opened(found.shard)
            take(found.table)
        elif isinstance(found.work, int):
            self._finish(found, found.work)
        else:
            self._writer.write_whole(self._label, WHOLES[found.work], found.table)

    def lost(self, shard: int) -> None:
        """Remove what is half written of a shard that is measured again."""
        if shard in self._steps:
            exits, _ = self._steps.pop(shard)
            with suppress(_LostError), exits:
                raise _LostError

    def _opened(self, shard: int) -> tuple[ExitStack, Callable[[pa.Table], None]]:
        if shard not in self._steps:
            exits = self._exits.enter_context(ExitStack())
            take = exits.enter_context(self._writer.steps(self._label, shard))
            self._steps[shard] = exits, take
        return self._steps[shard]

    def _finish(self, found: Finished, shard: int) -> None:
        if found.generations is not None:
            self._opened(shard)
            self._steps.pop(shard)[0].close()
            finishes = found.generations["finish"].to_pylist()
            self._texts += len(finishes)
            self._full += finishes.count("context")
        self._writer.write_shard(self._label, shard, found.table, found.vectors, found.generations)
        if found.not_finite is not None and not self._said:
            self._progress.note(
                f"{self._label}: {found.not_finite}; values made of them are left empty"
            )
            self._said = True
