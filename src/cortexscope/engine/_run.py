"""Carry out a plan: check everything first, then measure model by model, shard by shard."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cortexscope.engine._batches import Shard
from cortexscope.engine._job import Finished, Job, Ready
from cortexscope.engine._plan import Work, checked, manifest_of, now
from cortexscope.engine._request import Progress, RunRequest, Silent
from cortexscope.engine._shards import Keeper, shards_to_do
from cortexscope.engine._stopping import batches_first, stops
from cortexscope.engine.backends import BACKENDS
from cortexscope.errors import CortexscopeError, ModelError, StoreError
from cortexscope.metrics import make_metrics
from cortexscope.store import WHOLES, Run, RunWriter
from cortexscope.texts import shortened

if TYPE_CHECKING:
    from cortexscope.engine.backends import Backend
    from cortexscope.metrics.base.metric import Metric
    from cortexscope.records import Finding, ModelInfo

__all__ = ["run"]


def run(request: RunRequest, progress: Progress | None = None) -> Run:
    """Measure the models of a request on its suite and return the finished run folder.

    All that is wrong with the request is found before anything is written or measured. Where one of
    several models fails, the manifest says why, and the others go on unless the request says
    `fail_fast`. What is finished stays, and a request with `resume` goes on from there.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model is not there; if none can be measured, or the first that fails ends
            the run.
        RunLockedError: if another process is writing there.
        StoreError: if the folder cannot be written.
    """
    progress = progress or Silent()
    asked = checked(request)
    suite = asked.suite
    metrics = make_metrics(asked.names, asked.request.settings.options)
    # These need torch, which a wrong request does not wait for.
    from cortexscope.engine._estimate import sentence
    from cortexscope.engine._fit import fit

    request, plan, estimates = fit(asked, metrics, progress)
    for found in estimates:
        progress.note(sentence(found))
    backend: Backend = BACKENDS.load(request.backend)(
        progress.advance, {work.source.info.model: work.source for work in plan.works}
    )
    manifest = manifest_of(request, suite, metrics, plan)
    with RunWriter(
        request.out, manifest, suite.prompts, resume=request.resume, force=request.force
    ) as writer:
        if not writer.locked:
            progress.note(
                f"{request.out} is on a file system without locks, so that nothing keeps another "
                "run from writing there at the same time"
            )
        for number, work in enumerate(plan.works, start=1):
            label = work.source.info.model
            try:
                _measure(work, metrics, writer, progress, backend)
            except StoreError:
                raise
            except Exception as error:
                why = _sentence(error)
                writer.note_failure(label, why)
                last = number == len(plan.works)
                if request.stops or (last and not writer.has_values):
                    raise
                progress.note(f"{label} failed{'' if last else ', and the others go on'}: {why}")
            else:
                writer.note_failure(label, None)
        if writer.manifest.status != "complete" or writer.manifest.failed:
            writer.finish(now())
    return Run(request.out)


def _sentence(error: Exception) -> str:
    """Return what to say of a model's failure."""
    if isinstance(error, CortexscopeError):
        return str(error)
    return shortened(f"{type(error).__name__}: {error}", 500)


def _measure(
    work: Work,
    metrics: Sequence[Metric],
    writer: RunWriter,
    progress: Progress,
    backend: Backend,
) -> None:
    label = work.source.info.model
    todo = shards_to_do(label, work.shards, writer, progress)
    failed = {part for own in writer.manifest.failed_metrics.get(label, ()) for part in own.parts}
    units = {m.spec.replication for m in metrics} & {*WHOLES}
    lacking = {unit for unit in units if not writer.has_whole(label, WHOLES[unit])}
    lacking |= units & failed
    jobs = [Job(work.setup, piece) for piece in (*todo.shards, *sorted(lacking - {"task"}))]
    if jobs:
        writer.note_begin(label)
        _do(jobs, work, writer, progress, backend, todo.begun)
    if "task" in (units if jobs else lacking):
        _write_tasks(label, metrics, writer, progress)


def _do(
    jobs: Sequence[Job],
    work: Work,
    writer: RunWriter,
    progress: Progress,
    backend: Backend,
    begun: Collection[int],
) -> None:
    """Have the jobs of a model done, and store what comes of them, until a signal ends that."""
    info = work.source.info
    progress.note(f"{info.model}: loading {info.parameters / 1e6:,.0f}M parameters")
    ahead = sum(job.work.tokens for job in jobs if isinstance(job.work, Shard))
    seconds: dict[str, float] = {}
    peak = 0
    began: float | None = None
    try:
        with ExitStack() as exits, Keeper(info.model, writer, progress, begun) as keeper:
            for found in backend.measure(jobs):
                if not isinstance(found, Ready):
                    keeper.keep(found)
                    if isinstance(found, Finished):
                        peak = max(peak, found.memory or 0)
                        if stops():
                            return
                    continue
                seconds = {name: seconds.get(name, 0) + n for name, n in found.seconds.items()}
                if began is not None:
                    continue
                if found.checks is not None:
                    _check(info, found.checks, writer, progress)
                tokens = sum(shard.tokens for shard in work.shards)
                progress.begin(info.model, tokens, tokens - ahead)
                began = time.perf_counter()
                if found.refusal is not None:
                    keeper.refused(found.refusal)
                # Before, there is no batch that could be kept.
                exits.enter_context(batches_first(progress.note))
    finally:
        if began is not None:
            progress.end()
    assert began is not None
    seconds["measure_seconds"] = time.perf_counter() - began
    timings = {name: round(spent, 3) for name, spent in seconds.items()}
    writer.note_timings(info.model, {**timings, "tokens": float(ahead)})
    if peak:
        writer.note_memory(info.model, peak)


def _write_tasks(
    label: str, metrics: Sequence[Metric], writer: RunWriter, progress: Progress
) -> None:
    """Write the values of a model's tasks, from what is kept of their prompts."""
    from cortexscope.measure.tasks import pools_of, tabulate_tasks

    controls = Run(writer.path).control_ids()
    kept = writer.read_vectors(label, pools_of(metrics))
    failed: dict[str, str] = {}
    table = tabulate_tasks(metrics, kept, model=label, leave_out=controls, failed=failed)
    writer.write_whole(label, WHOLES["task"], table)
    Keeper(label, writer, progress).note_failed("task", failed)


def _check(
    info: ModelInfo, findings: Sequence[Finding], writer: RunWriter, progress: Progress
) -> None:
    """Note what the quick checks found, and stop where what will be measured would be wrong."""
    from cortexscope.selfchecks import UNSEEN

    for failed in findings:
        if failed.passed is not False:
            continue
        if failed.check == UNSEEN:
            # What is measured of attention is right, though it is not all that there is.
            progress.note(
                f"{info.model}: tokens also reach each other outside of the attention that is "
                f"measured; `cortexscope selfcheck {info.reference}` says more"
            )
            continue
        where = f" in {failed.place}" if failed.place else ""
        raise ModelError(
            f"{info.model} fails the check {failed.check!r}{where}: {failed.sentence.rstrip('.')}; "
            f"look closer with `cortexscope selfcheck {info.reference}`, or measure all the same "
            "with --no-selfcheck."
        )
    writer.note_checks(info.model, findings)
