"""What `run` and `plan` ask for alike: the options that make a request."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from cortexscope.cli._ending import Stopped
from cortexscope.cli._options import (
    Generate,
    Sample,
    SampleSeed,
    Temperature,
    TopP,
    Verb,
    loading_options,
    option_group,
    reading_options,
)
from cortexscope.cli._request_options import (
    Address,
    Backend,
    BatchTokens,
    ChatTemplate,
    Control,
    Exact,
    FailFast,
    Force,
    KeepNeurons,
    MaxMemory,
    Metric,
    Model,
    NearZero,
    NoReport,
    NoSelfcheck,
    NoStates,
    Out,
    Plugin,
    Preset,
    Resume,
    SampleTokens,
    SinkThreshold,
    Suite,
    System,
    Task,
    Threads,
    Truncate,
    Window,
    Workers,
)
from cortexscope.cli._terminal import say
from cortexscope.metrics import MetricOptions
from cortexscope.models import LoadOptions
from cortexscope.tasks import ReadOptions

if TYPE_CHECKING:
    from cortexscope.document import Document
    from cortexscope.engine import Place, RunRequest

__all__ = ["Asked", "asked_by", "request_options"]

_AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    request: RunRequest
    progress: Any
    """Told what is done."""
    place: Place
    """Where the run is to be."""
    quiet: bool
    report: bool
    """Whether tables, figures and the report follow the run."""

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Keep in its place what the block measures; say how to go on where the user ends it."""
        request = self.request
        try:
            with self.place.written(resume=request.resume, force=request.force):
                yield
        except Stopped as stopped:
            where = f" in {self.place.path}" if self.place.is_remote else ""
            stopped.advice = f"{where}, and the same with --out {self.place} --resume goes on"
            raise

    def upload(self) -> None:
        """Upload what was made of the run since, where its place is a URL."""
        if self.place.is_remote:
            self.progress.note(f"uploading to {self.place}")
            self.place.upload()
            if not self.quiet:
                say(f"Uploaded: {self.place}")

    def show(self, found: Found) -> None:
        """Say what was found, and write the report where it is asked for."""
        from cortexscope.document import render

        if not self.quiet:
            say(render(found.document(), "terminal"), end="")
            say(f"\nRun: {found.path}")
        if self.report:
            self.progress.note("writing tables, figures and report")
            report = found.report()
            if not self.quiet:
                say(f"Report: {report}")
        self.upload()


class Found(Protocol):
    """What was made of a run, beyond its measurements."""

    @property
    def path(self) -> Path:
        """The run folder."""

    def document(self) -> Document:
        """Return its findings."""

    def report(self) -> Path:
        """Write the report and return its path."""


def request_options(*, without: Collection[str] = ()) -> Callable[[Verb], Verb]:
    """Return what gives a verb the options of a run, for its parameter `asked`.

    Args:
        without: options that the verb has no use for.
    """
    every = inspect.signature(asked_by, eval_str=True).parameters
    options = {name: own for name, own in every.items() if name not in without}
    group = option_group(
        "asked",
        asked_by,
        {name: option.annotation for name, option in options.items()},
        {name: option.default for name, option in options.items()},
    )

    def decorate(verb: Verb) -> Verb:
        return reading_options()(loading_options()(group(verb)))

    return decorate


def asked_by(
    *,
    model: Model = None,
    preset: Preset = None,
    suite: Suite = None,
    reading: ReadOptions,
    task: Task = None,
    control: Control = None,
    metric: Metric = None,
    plugin: Plugin = None,
    out: Out = None,
    resume: Resume = False,
    force: Force = False,
    fail_fast: FailFast = False,
    loading: LoadOptions,
    batch_tokens: BatchTokens = "2048",
    max_memory: MaxMemory = None,
    backend: Backend = "local",
    workers: Workers = None,
    threads: Threads = None,
    address: Address = None,
    truncate: Truncate = False,
    chat_template: ChatTemplate = False,
    system: System = None,
    generate: Generate = None,
    sample: Sample = False,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: SampleSeed = None,
    near_zero: NearZero = 0.01,
    sink_threshold: SinkThreshold = 0.3,
    window: Window = 16,
    sample_tokens: SampleTokens = None,
    exact: Exact = False,
    no_states: NoStates = False,
    keep_neurons: KeepNeurons = False,
    no_selfcheck: NoSelfcheck = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    no_report: NoReport = False,
) -> Asked:
    """Return what the options of a run ask for."""
    from cortexscope.cli._progress import progress_for
    from cortexscope.engine import Place, RunRequest, Settings, asked_generation, parse_bytes
    from cortexscope.errors import UsageError
    from cortexscope.models import preset as preset_models
    from cortexscope.tasks import read_suites

    if exact and sample_tokens is not None:
        raise UsageError(
            f"--exact measures all tokens and --sample-tokens {sample_tokens} only some; give one "
            "of the two."
        )
    names = suite or ["cognitive-study" if preset == "study" else "cognitive"]
    if out is None:
        if resume:
            raise UsageError("--resume needs --out, the folder of the run to continue.")
        out = f"runs/{_plain_name(names)}-{datetime.now():%Y%m%d-%H%M%S}"
    place = Place(out)
    progress = progress_for(quiet=quiet)
    prompts = read_suites(names, reading)
    for sentence in prompts.sentences():
        progress.note(sentence)
    request = RunRequest(
        models=(*(model or ()), *(preset_models(preset) if preset else ())),
        suite=prompts,
        tasks=None if task is None else tuple(task),
        controls=tuple(control or ()),
        metrics=None if metric is None else tuple(metric),
        plugins=tuple(plugin or ()),
        out=place.path,
        resume=resume,
        force=force,
        fail_fast=fail_fast,
        selfcheck=not no_selfcheck,
        fit_batches=batch_tokens == _AUTO,
        max_memory=None if max_memory is None else parse_bytes(max_memory),
        backend=backend,
        workers=workers,
        address=address,
        settings=Settings(
            loading=loading,
            options=MetricOptions(
                near_zero=near_zero, sink_threshold=sink_threshold, window=window
            ),
            batch_tokens=_tokens(batch_tokens),
            truncate=truncate,
            chat_template=chat_template,
            system=system,
            generate=asked_generation(
                generate, sample=sample, temperature=temperature, top_p=top_p, seed=seed
            ),
            sample_tokens=None if exact else sample_tokens or Settings().sample_tokens,
            keep_states=not no_states,
            keep_neurons=keep_neurons,
            threads=threads,
        ),
    )
    return Asked(request, place.told(progress), place, quiet, not no_report)


def _tokens(given: str) -> int:
    """Return the tokens of a batch; the default where they are still to be chosen."""
    from cortexscope.engine import Settings
    from cortexscope.errors import UsageError

    if given == _AUTO:
        return Settings().batch_tokens
    if not given.isascii() or not given.isdigit() or not int(given):
        raise UsageError(
            f"--batch-tokens is {given!r}; give a number of tokens above zero, or {_AUTO}."
        )
    return int(given)


def _plain_name(suites: Sequence[str]) -> str:
    """Return suites' names, or their files', as the name of a folder may have them."""
    names = [
        suite.partition("=")[0]
        if suite.startswith("datasets:")
        else Path(suite).name.partition(".")[0]
        for suite in suites
    ]
    return re.sub(r"[^\w.-]+", "-", "+".join(names))[:60]
