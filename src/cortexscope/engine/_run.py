"""Carry out a plan: check everything first, then measure model by model, shard by shard."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from cortexscope import models
from cortexscope._version import __version__
from cortexscope.engine._batches import Shard, shards_of
from cortexscope.engine._encode import encode
from cortexscope.engine._generation import check_generation
from cortexscope.engine._job import Job, Plugin, Ready, Setup
from cortexscope.engine._request import Progress, RunRequest, Settings, Silent
from cortexscope.engine._shards import Keeper, shards_to_do
from cortexscope.engine._sources import (
    check_labels,
    note_targets,
    note_words,
    open_chats,
    open_source,
)
from cortexscope.engine.backends import BACKENDS
from cortexscope.errors import ModelError, UsageError
from cortexscope.metrics import make_metrics, metric_names, metric_specs, origins
from cortexscope.records import ChatUse, Manifest, Truncation
from cortexscope.store import (
    SCHEMA_VERSION,
    WHOLES,
    Run,
    RunWriter,
    check_target,
)
from cortexscope.tasks import Suite, load_suite, paraphrases_of, with_controls

if TYPE_CHECKING:
    from cortexscope.engine.backends import Backend
    from cortexscope.metrics.base.metric import Metric
    from cortexscope.models import ModelSource
    from cortexscope.records import Finding, ModelInfo

__all__ = ["jobs_of", "run"]


@dataclass(frozen=True, slots=True)
class _Work:
    source: ModelSource
    setup: Setup
    shards: list[Shard]


@dataclass(frozen=True, slots=True)
class _Plan:
    works: list[_Work]
    truncations: list[Truncation]
    chats: dict[str, ChatUse]
    notes: dict[str, list[str]]


def run(request: RunRequest, progress: Progress | None = None) -> Run:
    """Measure the models of a request on its suite and return the finished run folder.

    All that can be known to be wrong is found before anything is written or measured. What is
    finished stays when something fails later, and a request with `resume` goes on from there.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read or fails.
        RunLockedError: if another process is writing there.
        StoreError: if the folder cannot be written.
    """
    progress = progress or Silent()
    request = replace(request, models=models.expand(request.models))
    suite = _suite_of(request)
    names = metric_names(request.metrics, plugins=request.plugins)
    if not names:
        raise UsageError(
            "No metric was asked for; name one with --metric, or leave it out for the default "
            "panel."
        )
    check_labels(request.models)
    check_target(request.out, resume=request.resume, force=request.force)
    metrics = make_metrics(names, request.settings.options)
    plan = _plan(request, suite, names, progress)
    backend: Backend = BACKENDS.load(request.backend)(
        progress.advance, {work.source.info.model: work.source for work in plan.works}
    )
    manifest = _manifest(request, suite, metrics, plan)
    with RunWriter(
        request.out, manifest, suite.prompts, resume=request.resume, force=request.force
    ) as writer:
        if not writer.locked:
            progress.note(
                f"{request.out} is on a file system without locks, so that nothing keeps another "
                "run from writing there at the same time"
            )
        for work in plan.works:
            _measure(work, metrics, writer, progress, backend)
        if writer.manifest.status != "complete":
            writer.finish(_now())
    return Run(request.out)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _suite_of(request: RunRequest) -> Suite:
    suite = request.suite if isinstance(request.suite, Suite) else load_suite(request.suite)
    if request.tasks is not None:
        suite = suite.select(request.tasks)
    if not request.controls:
        return suite
    return with_controls(suite, request.controls, paraphrases=paraphrases_of(suite))


def jobs_of(request: RunRequest) -> list[Job]:
    """Return all jobs of a request, whatever is measured already.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read.
    """
    request = replace(request, models=models.expand(request.models))
    names = metric_names(request.metrics, plugins=request.plugins)
    units = {spec.replication for spec in metric_specs(names)}
    works = _plan(request, _suite_of(request), names, Silent()).works
    return [
        Job(work.setup, piece)
        for work in works
        for piece in (*work.shards, *sorted(units & {*WHOLES} - {"task"}))
    ]


def _plan(request: RunRequest, suite: Suite, names: Sequence[str], progress: Progress) -> _Plan:
    settings = request.settings
    plugins = tuple(map(Plugin.of, request.plugins))
    sources = [open_source(reference, settings, progress) for reference in request.models]
    check_generation(settings.generate, [source.info for source in sources])
    chats = open_chats(sources, settings, progress)
    works: list[_Work] = []
    truncations: list[Truncation] = []
    notes: dict[str, list[str]] = {}
    for reference, source in zip(request.models, sources, strict=True):
        note_targets(source, suite.prompts, progress)
        encoded, cut = encode(
            suite.prompts,
            source.tokenizer,
            model=source.info.model,
            context=source.info.context,
            truncate=settings.truncate,
            vocabulary=source.info.vocabulary,
            decoder_start=(
                models.decoder_start_of(source.config)
                if source.info.stack_kind == "encoder-decoder"
                else None
            ),
            chat=chats.get(source.info.model),
        )
        shards = shards_of(
            encoded,
            batch_tokens=settings.batch_tokens,
            shard_batches=settings.shard_batches,
            lengths=source.lengths,
        )
        said = note_words(source, encoded, progress)
        if said or source.notes:
            notes[source.info.model] = [*source.notes, *said]
        setup = Setup(
            reference=reference,
            info=source.info,
            loading=settings.loading,
            metrics=tuple(names),
            options=settings.options,
            plugins=plugins,
            sample_tokens=settings.sample_tokens,
            keep_states=settings.keep_states,
            keep_neurons=settings.keep_neurons,
            generate=settings.generate,
            selfcheck=request.selfcheck,
        )
        works.append(_Work(source, setup, shards))
        truncations.extend(cut)
    uses = {label: chat.use for label, chat in chats.items()}
    return _Plan(works, truncations, uses, notes)


def _manifest(
    request: RunRequest,
    suite: Suite,
    metrics: Sequence[Metric],
    plan: _Plan,
) -> Manifest:
    own = origins([metric.spec.name for metric in metrics])
    return Manifest(
        schema_version=SCHEMA_VERSION,
        status="running",
        created=_now(),
        versions={
            "cortexscope": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers")},
        },
        models=[work.source.info for work in plan.works],
        suite=suite.info(),
        metrics={metric.spec.name: metric.spec for metric in metrics},
        settings=_told(request.settings) | ({"plugins": own} if own else {}),
        shards={work.source.info.model: len(work.shards) for work in plan.works},
        truncations=plan.truncations,
        chats=plan.chats,
        notes=plan.notes,
    )


def _told(settings: Settings) -> dict[str, Any]:
    """Return the settings for the manifest: names in full, and what `auto` came to."""
    told = asdict(settings)
    loading = told.pop("loading")
    if loading["dtype"] != "auto":
        loading["dtype"] = str(models.choose_dtype(loading["dtype"])).removeprefix("torch.")
    if loading["device_map"]:
        loading["device"] = None
    else:
        loading["device"] = str(models.choose_device(loading["device"]))
    return {**loading, **told.pop("options"), **told}


def _measure(
    work: _Work,
    metrics: Sequence[Metric],
    writer: RunWriter,
    progress: Progress,
    backend: Backend,
) -> None:
    label = work.source.info.model
    todo = shards_to_do(label, work.shards, writer, progress)
    units = {m.spec.replication for m in metrics} & {*WHOLES}
    lacking = {unit for unit in units if not writer.has_whole(label, WHOLES[unit])}
    jobs = [Job(work.setup, piece) for piece in (*todo, *sorted(lacking - {"task"}))]
    if jobs:
        _do(jobs, work, writer, progress, backend)
    if "task" in (units if jobs else lacking):
        _write_tasks(label, metrics, writer)


def _do(
    jobs: Sequence[Job], work: _Work, writer: RunWriter, progress: Progress, backend: Backend
) -> None:
    """Have the jobs of a model done, and store what comes of them."""
    info = work.source.info
    progress.note(f"{info.model}: loading {info.parameters / 1e6:,.0f}M parameters")
    ahead = sum(job.work.tokens for job in jobs if isinstance(job.work, Shard))
    seconds: dict[str, float] = {}
    began: float | None = None
    try:
        with Keeper(info.model, writer, progress) as keeper:
            for found in backend.measure(jobs):
                if not isinstance(found, Ready):
                    keeper.keep(found)
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
    finally:
        if began is not None:
            progress.end()
    assert began is not None
    seconds["measure_seconds"] = time.perf_counter() - began
    timings = {name: round(spent, 3) for name, spent in seconds.items()}
    writer.note_timings(info.model, {**timings, "tokens": float(ahead)})


def _write_tasks(label: str, metrics: Sequence[Metric], writer: RunWriter) -> None:
    """Write the values of a model's tasks, from what is kept of their prompts."""
    from cortexscope.measure.tasks import pools_of, tabulate_tasks

    controls = Run(writer.path).control_ids()
    kept = writer.read_vectors(label, pools_of(metrics))
    table = tabulate_tasks(metrics, kept, model=label, leave_out=controls)
    writer.write_whole(label, WHOLES["task"], table)


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
