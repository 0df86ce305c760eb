"""Which shards are to be measured, and how each is stored when it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.engine._batches import Batch, Shard
from cortexscope.engine._job import Finished, Steps
from cortexscope.engine._request import Progress
from cortexscope.store import WHOLES, RunWriter, ShardPart, Vectors

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Keeper", "ToDo", "shards_to_do"]


class ToDo(NamedTuple):
    """What is to be measured of a model's prompts."""

    shards: list[Shard]
    begun: frozenset[int]
    """The numbers of those of which a part is there, so that only the rest is in `shards`."""


def shards_to_do(
    label: str, shards: Sequence[Shard], writer: RunWriter, progress: Progress
) -> ToDo:
    """Return what is not there of shards, or not whole; say which were there and are not now.

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
    failed = {
        part: own.metric
        for own in writer.manifest.failed_metrics.get(label, ())
        for part in own.parts
    }
    todo: list[Shard] = []
    begun: set[int] = set()
    for shard in shards:
        fault = faults.get(shard.number)
        if shard.number in failed and (fault is None or fault.sound):
            todo.append(shard)
        elif fault is None:
            continue
        elif fault.sound:
            begun.add(shard.number)
            todo.append(_rest(shard, fault.sound))
        else:
            todo.append(shard)
            if again or fault.there:
                progress.note(
                    f"{label}: measures again what {fault.file.name} holds: it {fault.what}"
                )
    lost = [shard.number for shard in todo if shard.number in failed]
    if lost:
        names = ", ".join(sorted({failed[number] for number in lost}))
        progress.note(f"{label}: measures {len(lost)} shards again, in which {names} failed")
    return ToDo(todo, frozenset(begun))


def _rest(shard: Shard, there: Collection[str]) -> Shard:
    """Return a shard without the prompts that are there, in batches that go on as planned."""
    batches = (
        Batch(tuple(item for item in batch.items if item.prompt.id not in there))
        for batch in shard.batches
    )
    return Shard(shard.number, tuple(batch for batch in batches if batch.items))


class _LostError(Exception):
    """What is half written counts no more."""


class Keeper:
    """Stores what a backend measured of a model, and says what there is to say of it.

    Leaving its block by an error removes what is half written.

    Args:
        label: of the model.
        writer: of the run.
        progress: told what happens.
        begun: numbers of shards of which a part is there, which is kept.
    """

    def __init__(
        self,
        label: str,
        writer: RunWriter,
        progress: Progress,
        begun: Collection[int] = (),
    ) -> None:
        self._label = label
        self._parts = {number: writer.read_part(label, number) for number in begun}
        self._writer = writer
        self._progress = progress
        self._exits = ExitStack()
        self._steps: dict[int, tuple[ExitStack, Callable[[pa.Table], None]]] = {}
        self._texts = self._full = 0
        self._said: set[str] = set()

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
            self.note_failed(found.work, found.failed)

    def note_failed(self, work: int | str, failed: Mapping[str, str]) -> None:
        """Note which metrics of plug-ins failed, and say it once a metric."""
        self._writer.note_failed_metrics(self._label, work, failed)
        for name, why in failed.items():
            self._say(name, f"{name} failed, and the other metrics go on: {why}")

    def _say(self, what: str, text: str) -> None:
        if what not in self._said:
            self._progress.note(f"{self._label}: {text}")
        self._said.add(what)

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
            part = self._parts.get(shard)
            if part is not None and part.steps is not None:
                take(part.steps)
        return self._steps[shard]

    def _finish(self, found: Finished, shard: int) -> None:
        if found.generations is not None:
            self._opened(shard)
            self._steps.pop(shard)[0].close()
            finishes = found.generations["finish"].to_pylist()
            self._texts += len(finishes)
            self._full += finishes.count("context")
        part = self._parts.pop(shard, None)
        self._writer.note_halved(self._label, shard, found.halved, on=part is not None)
        known = {
            own.metric: own.why
            for own in self._writer.manifest.failed_metrics.get(self._label, ())
            if shard in own.parts
        }
        # Killed in between, the shard is measured once more.
        self._writer.note_failed_metrics(self._label, shard, {**known, **found.failed})
        self._writer.write_shard(self._label, shard, *_joined(part, found))
        self.note_failed(shard, found.failed)
        if found.halved:
            prompts, tokens = found.halved[0].prompts, found.halved[0].tokens
            self._say(
                "memory",
                f"memory does not hold a batch of {prompts} prompts of up to {tokens:,} tokens; "
                "such batches are read in halves, which the manifest lists (a smaller "
                "--batch-tokens is faster)",
            )
        if found.not_finite is not None:
            self._say("finite", f"{found.not_finite}; values made of them are left empty")


def _joined(
    part: ShardPart | None, found: Finished
) -> tuple[pa.Table, Vectors | None, pa.Table | None]:
    """Return measurements, vectors and texts, after those that are there of the same shard."""
    import pyarrow as pa

    from cortexscope.metrics.base.states import concatenate

    if part is None:
        return found.table, found.vectors, found.generations
    vectors = found.vectors
    if vectors is not None and part.vectors is not None:
        before = part.vectors
        pools = {
            name: concatenate(before.pools[name], own)
            for name, own in vectors.pools.items()
            if name in before.pools
        }
        vectors = Vectors(pools, [*before.prompts, *vectors.prompts])
    texts = found.generations
    if texts is not None and part.generations is not None:
        texts = pa.concat_tables([part.generations, texts])
    return pa.concat_tables([part.table, found.table]), vectors, texts
