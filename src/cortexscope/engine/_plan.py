"""What a request comes to: models opened, prompts encoded and put into shards, the manifest."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from cortexscope import models
from cortexscope._version import __version__
from cortexscope.engine._batches import Shard, shards_of
from cortexscope.engine._encode import encode
from cortexscope.engine._environment import environment
from cortexscope.engine._generation import check_generation
from cortexscope.engine._job import Job, Plugin, Setup
from cortexscope.engine._request import Progress, RunRequest, Settings, Silent
from cortexscope.engine._sources import (
    check_labels,
    note_targets,
    note_words,
    open_chats,
    open_source,
)
from cortexscope.engine.backends import BACKENDS
from cortexscope.errors import ModelError, ModelNotFoundError, UsageError
from cortexscope.metrics import metric_names, metric_specs, origins
from cortexscope.records import ChatUse, Manifest, Truncation
from cortexscope.store import SCHEMA_VERSION, WHOLES, Run, check_target
from cortexscope.tasks import Suite, load_suite, paraphrases_of, with_controls

if TYPE_CHECKING:
    from cortexscope.engine._encode import Encoded
    from cortexscope.metrics.base.metric import Metric
    from cortexscope.models import Chat, ModelSource

__all__ = [
    "Checked",
    "Plan",
    "Work",
    "checked",
    "jobs_of",
    "manifest_of",
    "now",
    "plan_of",
    "suite_of",
]


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured of a model."""

    source: ModelSource
    setup: Setup
    shards: list[Shard]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request comes to before anything is measured, and what is to be said of it."""

    works: list[Work]
    truncations: list[Truncation]
    chats: dict[str, ChatUse]
    notes: dict[str, list[str]]
    failures: dict[str, str]
    """Why a model could not be opened, by label."""


class Checked(NamedTuple):
    """What is asked, before any model is opened."""

    request: RunRequest
    """Selections of models written out."""
    suite: Suite
    names: list[str]
    """Of the metrics."""


def suite_of(request: RunRequest) -> Suite:
    """Return what is read: the chosen tasks of the suite, with controls where asked for."""
    suite = request.suite if isinstance(request.suite, Suite) else load_suite(request.suite)
    if request.tasks is not None:
        suite = suite.select(request.tasks)
    if not request.controls:
        return suite
    return with_controls(suite, request.controls, paraphrases=paraphrases_of(suite))


def checked(request: RunRequest) -> Checked:
    """Return a request with what it names looked up, as far as no model is opened for it.

    Raises:
        UsageError: if it asks for what is not there, or would replace what is.
    """
    request = replace(request, models=models.expand(request.models))
    suite = suite_of(request)
    BACKENDS.check(request.backend)
    check_labels(request.models)
    kind = check_target(request.out, resume=request.resume, force=request.force)
    # Last, since metrics need torch, which takes seconds.
    names = metric_names(request.metrics, plugins=request.plugins)
    if not names:
        raise UsageError(
            "No metric was asked for; name one with --metric, or leave it out for the default "
            "panel."
        )
    if kind == "resume" and request.metrics is None:
        names = _as_before(Run(request.out).manifest, names)
    return Checked(request, suite, names)


def _as_before(before: Manifest, names: Sequence[str]) -> list[str]:
    """Return the metrics of a run that goes on, where none are named, and those of plug-ins now.

    Such as bits per byte, which `compare` measures besides the default panel.
    """
    plugins = before.settings.get("plugins", {})
    now = origins(names)
    return [*(name for name in before.metrics if name not in plugins), *now]


def jobs_of(request: RunRequest) -> list[Job]:
    """Return all jobs of a request, whatever is measured already.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read.
    """
    request = replace(request, models=models.expand(request.models), fail_fast=True)
    names = metric_names(request.metrics, plugins=request.plugins)
    units = {spec.replication for spec in metric_specs(names)}
    works = plan_of(request, suite_of(request), names, Silent()).works
    return [
        Job(work.setup, piece)
        for work in works
        for piece in (*work.shards, *sorted(units & {*WHOLES} - {"task"}))
    ]


def plan_of(request: RunRequest, suite: Suite, names: Sequence[str], progress: Progress) -> Plan:
    """Return what is to be done: all models are opened, all prompts encoded.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model is not there; if one cannot be read and the run stops there, or none
            can be.
    """
    settings = request.settings
    plugins = tuple(map(Plugin.of, request.plugins))
    opened, failures = _opened(request, progress)
    sources = [source for _, source in opened]
    check_generation(settings.generate, [source.info for source in sources])
    chats = open_chats(sources, settings, progress, suite.prompts)
    works: list[Work] = []
    truncations: list[Truncation] = []
    notes: dict[str, list[str]] = {}
    for reference, source in opened:
        note_targets(source, suite.prompts, progress)
        try:
            encoded, cut = _encoded(suite, source, settings, chats.get(source.info.model))
        except ModelError as error:
            if request.stops or (source is sources[-1] and not works):
                raise
            _note_failure(reference, error, failures, progress)
            continue
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
        works.append(Work(source, setup, shards))
        truncations.extend(cut)
    uses = {label: chat.use for label, chat in chats.items() if label not in failures}
    return Plan(works, truncations, uses, notes, failures)


def _opened(
    request: RunRequest, progress: Progress
) -> tuple[list[tuple[str, ModelSource]], dict[str, str]]:
    """Return the models that can be opened by reference, and why the others cannot by label."""
    opened: list[tuple[str, ModelSource]] = []
    failures: dict[str, str] = {}
    for number, reference in enumerate(request.models, start=1):
        try:
            source = request.held or open_source(reference, request.settings, progress)
            opened.append((reference, source))
        except ModelNotFoundError:
            # Most likely a name that is misspelt.
            raise
        except ModelError as error:
            if request.stops or (number == len(request.models) and not opened):
                raise
            _note_failure(reference, error, failures, progress)
    return opened, failures


def _note_failure(
    reference: str, error: ModelError, failures: dict[str, str], progress: Progress
) -> None:
    label = models.parse_reference(reference).label
    failures[label] = str(error)
    progress.note(f"{label} failed, and the others go on: {error}")


def _encoded(
    suite: Suite, source: ModelSource, settings: Settings, chat: Chat | None
) -> tuple[list[Encoded], list[Truncation]]:
    pair = source.info.stack_kind == "encoder-decoder"
    return encode(
        suite.prompts,
        source.tokenizer,
        model=source.info.model,
        context=source.info.context,
        truncate=settings.truncate,
        vocabulary=source.info.vocabulary,
        decoder_start=models.decoder_start_of(source.config) if pair else None,
        chat=chat,
    )


def manifest_of(
    request: RunRequest,
    suite: Suite,
    metrics: Sequence[Metric],
    plan: Plan,
) -> Manifest:
    """Return the manifest of a run that begins now."""
    own = origins([metric.spec.name for metric in metrics])
    return Manifest(
        schema_version=SCHEMA_VERSION,
        status="running",
        created=now(),
        versions={
            "cortexscope": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers")},
        },
        environment=environment(),
        models=[work.source.info for work in plan.works],
        suite=suite.info(),
        metrics={metric.spec.name: metric.spec for metric in metrics},
        settings=_told(request.settings) | ({"plugins": own} if own else {}),
        shards={work.source.info.model: len(work.shards) for work in plan.works},
        truncations=plan.truncations,
        chats=plan.chats,
        notes=plan.notes,
        failures=plan.failures,
        numbers=_places(request, plan) if plan.failures else {},
    )


def _places(request: RunRequest, plan: Plan) -> dict[str, int]:
    """Return the models' places in the request, so that one which failed finds its own later."""
    labels = [models.parse_reference(reference).label for reference in request.models]
    return {work.source.info.model: labels.index(work.source.info.model) for work in plan.works}


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
    if told["threads"] is None:
        # Runs continue on machines of other sizes, and those from before there was a choice.
        del told["threads"]
    return {**loading, **told.pop("options"), **told}


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
