"""Carry out a plan: check everything first, then store what a backend measures of its models."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cortexscope.engine._course import Course
from cortexscope.engine._job import Failed, Job, Ready
from cortexscope.engine._plan import checked, manifest_of, now
from cortexscope.engine._request import Progress, RunRequest, Silent
from cortexscope.engine._stopping import batches_first, stops
from cortexscope.engine._threads import computing_with
from cortexscope.engine.backends import BACKENDS, Means
from cortexscope.errors import CortexscopeError, StoreError
from cortexscope.metrics import make_metrics
from cortexscope.store import Run, RunWriter
from cortexscope.texts import shortened

if TYPE_CHECKING:
    from cortexscope.engine._estimate import Estimate
    from cortexscope.engine._plan import Checked, Plan
    from cortexscope.engine.backends import Backend

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
    with computing_with(request.settings.threads):
        return _carried_out(asked, progress)


def _carried_out(asked: Checked, progress: Progress) -> Run:
    # These need torch, which a wrong request does not wait for.
    from cortexscope import native
    from cortexscope.engine._estimate import sentence
    from cortexscope.engine._fit import fit

    if slower := native.remark():
        progress.note(slower)
    metrics = make_metrics(asked.names, asked.request.settings.options)
    request, plan, estimates = fit(asked, metrics, progress)
    for found in estimates:
        progress.note(sentence(found))
    backend = _backend(request, plan, estimates, progress)
    manifest = manifest_of(request, asked.suite, metrics, plan)
    with RunWriter(
        request.out, manifest, asked.suite.prompts, resume=request.resume, force=request.force
    ) as writer:
        if not writer.locked:
            progress.note(
                f"{request.out} is on a file system without locks, so that nothing keeps another "
                "run from writing there at the same time"
            )
        courses = [Course(work, metrics, writer, progress) for work in plan.works]
        _Conduct(request, courses, writer, progress).measure(backend)
        if writer.manifest.status != "complete" or writer.manifest.failed:
            writer.finish(now())
    return Run(request.out)


def _backend(
    request: RunRequest, plan: Plan, estimates: Sequence[Estimate], progress: Progress
) -> Backend:
    from cortexscope.engine._fit import shared_memory

    backend: Backend = BACKENDS.load(request.backend)(
        Means(
            advance=progress.advance,
            note=progress.note,
            opened={work.source.info.model: work.source for work in plan.works},
            workers=request.workers,
            threads=request.settings.threads,
            memory={found.model: found.memory for found in estimates},
            most=shared_memory(request, estimates),
            address=request.address,
        )
    )
    return backend


class _Conduct:
    """Has the jobs of all models done, and lets the others go on where one fails."""

    def __init__(
        self, request: RunRequest, courses: Sequence[Course], writer: RunWriter, progress: Progress
    ) -> None:
        self._stops = request.stops
        self._writer, self._progress = writer, progress
        self._courses = {course.label: course for course in courses}
        self._open: dict[str, ExitStack] = {}
        self._error: Exception | None = None

    def measure(self, backend: Backend) -> None:
        """Measure all; an error is of the run, or of the last model that failed with all others."""
        with ExitStack() as exits:
            for label, course in self._courses.items():
                self._open[label] = exits.enter_context(ExitStack())
                self._open[label].enter_context(course)
            for label in [label for label, course in self._courses.items() if course.done]:
                self._end(label)
            jobs = [job for course in self._courses.values() for job in course.jobs]
            if jobs:
                self._gather(backend, jobs)
            if self._error is not None and not self._writer.has_values:
                raise self._error

    def _gather(self, backend: Backend, jobs: Sequence[Job]) -> None:
        with ExitStack() as exits, contextlib.closing(backend.measure(jobs)) as every:
            waits = False
            for found in every:
                label = found.model
                if label not in self._open:
                    # It failed while another worker was still at it.
                    continue
                if isinstance(found, Ready) and not waits:
                    # Before, there is no batch that could be kept.
                    exits.enter_context(batches_first(self._progress.note))
                    waits = True
                if isinstance(found, Failed):
                    self._end(label, found.error)
                    continue
                try:
                    self._courses[label].take(found)
                except StoreError:
                    raise
                except Exception as error:
                    self._end(label, error)
                    continue
                # Where a signal waits, the last shard may be a part of one.
                if self._courses[label].done and not stops():
                    self._end(label)

    def _end(self, label: str, error: Exception | None = None) -> None:
        """Close a model's course, by an error where it has failed."""
        exits = self._open.pop(label)
        try:
            with exits:
                if error is not None:
                    raise error
                self._courses[label].finish()
        except StoreError:
            raise
        except Exception as failure:
            self._fail(label, failure)
        else:
            self._writer.note_failure(label, None)

    def _fail(self, label: str, error: Exception) -> None:
        why = _sentence(error)
        self._writer.note_failure(label, why)
        if self._stops:
            raise error
        others = ", and the others go on" if self._open else ""
        self._progress.note(f"{label} failed{others}: {why}")
        self._error = error


def _sentence(error: Exception) -> str:
    """Return what to say of a model's failure."""
    if isinstance(error, CortexscopeError):
        return str(error)
    return shortened(f"{type(error).__name__}: {error}", 500)
