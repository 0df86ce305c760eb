"""What was asked and what ran."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from cortexscope.records._metrics import MetricSpec
from cortexscope.records._models import ModelInfo, Stack
from cortexscope.records._prompts import SuiteInfo
from cortexscope.records._record import Record

__all__ = ["ChatUse", "Finding", "Halving", "Manifest", "MetricFailure", "Truncation"]


class Truncation(Record):
    """A prompt that was cut to a model's context, by request."""

    model: str
    prompt_id: str
    tokens: int
    """Length before the cut."""
    kept: int
    part: Literal["text", "target"] = "text"
    """Which of the prompt's two texts."""


class ChatUse(Record):
    """What became of a chat template that was asked for, with one model."""

    frame: str | None = None
    """What stands around each prompt, which is written `{prompt}`; None without a template."""
    reason: str | None = None
    """Why the model reads the prompts as they are, None where it does not."""


class Halving(Record):
    """A batch that memory did not hold, so that its halves were read one after the other."""

    shard: int
    """Number of the shard that it is part of."""
    first: str
    last: str
    """The ids of its first and last prompt."""
    prompts: int
    tokens: int
    """Of its longest prompt."""


class MetricFailure(Record):
    """A metric of a plug-in that failed with a model; its values are undefined there."""

    metric: str
    why: str
    """File and line of the plug-in, and what it raised last."""
    parts: list[int | str]
    """Where: the numbers of shards, and units of values that are not of single prompts (`task`,
    `sequence`). A run that goes on measures these again."""


class Finding(Record):
    """What one check of a model found; `cortexscope selfcheck` prints them."""

    check: str
    """Its name, such as `attention rows`."""
    passed: bool | None
    """None where the check does not apply to the model; `sentence` then says why."""
    stack: Stack | None = None
    layer: int | None = None
    """Where it fails first, or else where the figure is worst."""
    figure: float | None = None
    """How far the two sides of the check lie apart there; None where that is no finite number."""
    median: float | None = None
    """Of all such figures, where a check shows how they spread rather than judges them."""
    tolerance: float | None = None
    """The largest figure that passes."""
    sentence: str
    """What was found, or why the check does not apply."""

    @property
    def place(self) -> str:
        """Where the figure is, such as `decoder 3`; empty for the model as a whole."""
        parts = (self.stack, self.layer)
        return " ".join(str(part) for part in parts if part is not None)


def _with_plugins(settings: dict[str, Any]) -> dict[str, Any]:
    """Check the one setting that is read of any run: where metrics of plug-ins come from."""
    TypeAdapter(dict[str, str]).validate_python(settings.get("plugins", {}))
    return settings


class Manifest(Record):
    """What was asked and what ran; `manifest.json` of a run folder."""

    schema_version: int
    status: Literal["running", "complete", "failed"]
    """`failed` where the run has ended and models of it failed, which `failures` names, or metrics
    of plug-ins, which `failed_metrics` names; all else is complete then, and what there is of
    models that failed is kept and not read."""
    created: str
    """UTC, ISO 8601."""
    finished: str | None = None
    versions: dict[str, str]
    """Of cortexscope, python, torch and transformers."""
    environment: dict[str, str] = Field(default_factory=dict)
    """What else the last bits of a number can hang on: system, processor, threads, CUDA devices."""
    models: list[ModelInfo]
    suite: SuiteInfo
    metrics: dict[str, MetricSpec]
    """What each measured metric is, by name, so that a run folder explains itself."""
    settings: Annotated[dict[str, Any], AfterValidator(_with_plugins)]
    """Every option that can change a number: dtype, device, batch_tokens, truncate, ..."""
    shards: dict[str, int]
    """Number of shards planned, by model label; one measurements file each."""
    truncations: list[Truncation] = Field(default_factory=list)
    chats: dict[str, ChatUse] = Field(default_factory=dict)
    """By model label, where a chat template was asked for."""
    ungenerated: dict[str, str] = Field(default_factory=dict)
    """Why a model generated nothing though it was asked to, by model label."""
    notes: dict[str, list[str]] = Field(default_factory=dict)
    """What a reader should know of how a model was read, by model label."""
    failures: dict[str, str] = Field(default_factory=dict)
    """Why a model could not be opened or measured, by model label; one that was never opened is in
    no other field."""
    failed_metrics: dict[str, list[MetricFailure]] = Field(default_factory=dict)
    """Metrics of plug-ins that failed, by model label."""
    halved: dict[str, list[Halving]] = Field(default_factory=dict)
    """Batches that memory did not hold, by model label; what was measured is that of the halves."""
    numbers: dict[str, int] = Field(default_factory=dict)
    """The number in front of the names of a model's files, by model label, where it is not the
    place among `models`."""
    timings: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Seconds and tokens, by model label."""
    memory: dict[str, int] = Field(default_factory=dict)
    """Most bytes held while a model was loaded, checked and measured, by its label: of its CUDA
    devices, else of a process that measured it, as a whole; none where the system does not tell."""
    checks: dict[str, list[Finding]] = Field(default_factory=dict)
    """What the quick selfcheck before measuring found, by model label."""

    @property
    def failed(self) -> list[str]:
        """What failed: the labels of models, and `METRIC of LABEL`."""
        metrics = [
            f"{own.metric} of {model}"
            for model, failed in self.failed_metrics.items()
            for own in failed
        ]
        return [*self.failures, *metrics]
