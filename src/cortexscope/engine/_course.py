"""What becomes of a model while its jobs are done: what is stored, said and timed of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from cortexscope.engine._batches import Shard
from cortexscope.engine._job import Finished, Job, Lost, Ready, Steps
from cortexscope.engine._request import Progress
from cortexscope.engine._shards import Keeper, shards_to_do
from cortexscope.store import WHOLES, Run, RunWriter

if TYPE_CHECKING:
    from cortexscope.engine._plan import Work
    from cortexscope.metrics.base.metric import Metric
    from cortexscope.records import Finding

__all__ = ["Course"]


class Course:
    """Stores what comes of a model's jobs; leaving its block by an error removes what is half done.

    Args:
        work: of the model.
        metrics: that are measured.
        writer: of the run.
        progress: told what happens.
    """

    def __init__(
        self, work: Work, metrics: Sequence[Metric], writer: RunWriter, progress: Progress
    ) -> None:
        self._info, self._metrics = work.source.info, metrics
        self._writer, self._progress = writer, progress
        self.label = label = work.source.info.model
        todo = shards_to_do(label, work.shards, writer, progress)
        units = {metric.spec.replication for metric in metrics} & {*WHOLES}
        lacking = {unit for unit in units if not writer.has_whole(label, WHOLES[unit])}
        failed = writer.manifest.failed_metrics.get(label, ())
        lacking |= units & {part for own in failed for part in own.parts}
        pieces = (*todo.shards, *sorted(lacking - {"task"}))
        self.jobs = [Job(work.setup, piece) for piece in pieces]
        """What is to be done."""
        self._tasks = "task" in (units if self.jobs else lacking)
        self._left = {job.name for job in self.jobs}
        self._tokens = sum(shard.tokens for shard in work.shards)
        self._ahead = sum(job.work.tokens for job in self.jobs if isinstance(job.work, Shard))
        self._seconds: dict[str, float] = {}
        self._peak = 0
        self._began: float | None = None
        self._keeper = Keeper(label, writer, progress, todo.begun)

    def __enter__(self) -> Course:
        self._keeper.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._began is not None:
            self._progress.end(self.label)
        self._keeper.__exit__(kind, error, trace)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not self._left

    def take(self, found: Ready | Steps | Finished | Lost) -> None:
        """Store what came of its jobs, or take note of it."""
        if isinstance(found, Ready):
            self._ready(found)
        elif isinstance(found, Lost):
            what = f"shard {found.work}" if isinstance(found.work, int) else found.work
            self._progress.note(f"{self.label}: the worker that measured {what} {found.why}")
            if isinstance(found.work, int):
                self._keeper.lost(found.work)
        else:
            self._keeper.keep(found)
            if isinstance(found, Finished):
                self._peak = max(self._peak, found.memory or 0)
                self._left.discard(found.work)

    def _ready(self, found: Ready) -> None:
        for name, seconds in found.seconds.items():
            self._seconds[name] = self._seconds.get(name, 0) + seconds
        if self._began is not None:
            # Another worker has it too.
            return
        self._writer.note_begin(self.label)
        if found.checks is not None:
            self._note_checks(found.checks)
        self._progress.begin(self.label, self._tokens, self._tokens - self._ahead)
        self._began = time.perf_counter()
        if found.refusal is not None:
            self._keeper.refused(found.refusal)

    def finish(self) -> None:
        """Write what is made of all its prompts, and how long it took."""
        if self._began is not None:
            self._seconds["measure_seconds"] = time.perf_counter() - self._began
            timings = {name: round(spent, 3) for name, spent in self._seconds.items()}
            self._writer.note_timings(self.label, {**timings, "tokens": float(self._ahead)})
        if self._peak:
            self._writer.note_memory(self.label, self._peak)
        if self._tasks:
            self._write_tasks()

    def _write_tasks(self) -> None:
        """Write the values of its tasks, from what is kept of their prompts."""
        from cortexscope.measure.tasks import pools_of, tabulate_tasks

        controls = Run(self._writer.path).control_ids()
        kept = self._writer.read_vectors(self.label, pools_of(self._metrics))
        failed: dict[str, str] = {}
        table = tabulate_tasks(
            self._metrics, kept, model=self.label, leave_out=controls, failed=failed
        )
        self._writer.write_whole(self.label, WHOLES["task"], table)
        self._keeper.note_failed("task", failed)

    def _note_checks(self, findings: Sequence[Finding]) -> None:
        from cortexscope.selfchecks import UNSEEN

        if any(own.check == UNSEEN and own.passed is False for own in findings):
            self._progress.note(
                f"{self.label}: tokens also reach each other outside of the attention that is "
                f"measured; `cortexscope selfcheck {self._info.reference}` says more"
            )
        self._writer.note_checks(self.label, findings)
