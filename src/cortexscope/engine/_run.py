"""Carry out a plan: check everything first, then measure model by model, shard by shard."""

from __future__ import annotations

import gc
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from cortexscope import models
from cortexscope._version import __version__
from cortexscope.engine._plan import Shard, encode, shards_of
from cortexscope.engine._request import Progress, RunRequest, Silent
from cortexscope.errors import UsageError
from cortexscope.metrics import MetricOptions, make_metrics, metric_names
from cortexscope.models import parse_reference
from cortexscope.records import Manifest, Truncation
from cortexscope.store import SCHEMA_VERSION, Run, RunWriter, check_target
from cortexscope.tasks import Suite, load_suite

if TYPE_CHECKING:
    from cortexscope.metrics._metric import Metric
    from cortexscope.models import ModelSource

__all__ = ["run"]


@dataclass(frozen=True, slots=True)
class _Work:
    source: ModelSource
    shards: list[Shard]


def run(request: RunRequest, progress: Progress | None = None) -> Run:
    """Measure the models of a request on its suite and return the finished run folder.

    All that can be known to be wrong is found before anything is written or measured. What is
    finished stays when something fails later, and a request with `resume` goes on from there.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read or fails.
        StoreError: if the folder cannot be written.
    """
    progress = progress or Silent()
    suite = _suite_of(request)
    names = metric_names(request.metrics)
    if not names:
        raise UsageError(
            "No metric was asked for; name one with --metric, or leave it out for all."
        )
    _check_labels(request.models)
    check_target(request.out, resume=request.resume, force=request.force)
    metrics = make_metrics(names, MetricOptions(near_zero=request.settings.near_zero))
    works, truncations = _plan(request, suite, progress)
    manifest = _manifest(request, suite, metrics, works, truncations)
    writer = RunWriter(
        request.out, manifest, suite.prompts, resume=request.resume, force=request.force
    )
    try:
        for work in works:
            _measure(work, metrics, writer, progress)
        if writer.manifest.status != "complete":
            writer.finish(_now())
    except BaseException:
        writer.abandon()
        raise
    return Run(request.out)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _suite_of(request: RunRequest) -> Suite:
    suite = request.suite if isinstance(request.suite, Suite) else load_suite(request.suite)
    return suite if request.tasks is None else suite.select(request.tasks)


def _check_labels(references: Sequence[str]) -> None:
    if not references:
        raise UsageError("No model was named; name one with --model, such as demo-decoder.")
    counts = Counter(parse_reference(reference).label for reference in references)
    for label, count in counts.items():
        if count > 1:
            raise UsageError(
                f"Two models are called {label!r}; give them names of their own, "
                f"such as --model first={label}."
            )


def _plan(
    request: RunRequest, suite: Suite, progress: Progress
) -> tuple[list[_Work], list[Truncation]]:
    settings = request.settings
    works: list[_Work] = []
    truncations: list[Truncation] = []
    for reference in request.models:
        source = models.open_model(
            reference,
            dtype=settings.dtype,
            device=settings.device,
            allow_pickle=settings.allow_pickle,
            trust_remote_code=settings.trust_remote_code,
            note=progress.note,
        )
        encoded, cut = encode(
            suite.prompts,
            source.tokenizer,
            model=source.info.model,
            context=source.info.context,
            truncate=settings.truncate,
        )
        shards = shards_of(
            encoded, batch_tokens=settings.batch_tokens, shard_batches=settings.shard_batches
        )
        works.append(_Work(source, shards))
        truncations.extend(cut)
    return works, truncations


def _manifest(
    request: RunRequest,
    suite: Suite,
    metrics: Sequence[Metric],
    works: Sequence[_Work],
    truncations: list[Truncation],
) -> Manifest:
    settings = request.settings
    return Manifest(
        schema_version=SCHEMA_VERSION,
        status="running",
        created=_now(),
        versions={
            "cortexscope": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers")},
        },
        models=[work.source.info for work in works],
        suite=suite.info(),
        metrics={metric.spec.name: metric.spec for metric in metrics},
        settings={**asdict(settings), "device": str(models.choose_device(settings.device))},
        shards={work.source.info.model: len(work.shards) for work in works},
        truncations=truncations,
    )


def _measure(work: _Work, metrics: Sequence[Metric], writer: RunWriter, progress: Progress) -> None:
    # torch and all of transformers come here, after a wrong request has had its answer.
    from cortexscope.engine._worker import Worker

    label = work.source.info.model
    todo = [shard for shard in work.shards if not writer.is_done(label, shard.number)]
    if not todo:
        return
    started = time.perf_counter()
    progress.note(f"{label}: loading {work.source.info.parameters / 1e6:,.0f}M parameters")
    worker = Worker(work.source.load(), metrics)
    loaded = time.perf_counter()
    tokens = sum(shard.tokens for shard in work.shards)
    ahead = sum(shard.tokens for shard in todo)
    progress.begin(label, tokens, tokens - ahead)
    try:
        for shard in todo:
            writer.write_shard(label, shard.number, worker.measure(shard, progress.advance))
    finally:
        progress.end()
    finished = time.perf_counter()
    writer.note_timings(
        label,
        {
            "load_seconds": round(loaded - started, 3),
            "measure_seconds": round(finished - loaded, 3),
            "tokens": float(ahead),
        },
    )
    # The next model should find the memory of this one free.
    del worker
    gc.collect()
