"""What a run is asked to do, and how it says what it is doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cortexscope.engine._generation import Generation
from cortexscope.errors import UsageError
from cortexscope.metrics import MetricOptions
from cortexscope.models import LoadOptions
from cortexscope.tasks import Suite

if TYPE_CHECKING:
    from cortexscope.models import ModelSource

__all__ = ["Progress", "RunRequest", "Settings", "Silent"]

_POSITIVE = ("batch_tokens", "shard_batches", "sample_tokens", "threads")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything apart from models, suite and metrics that can change a number."""

    loading: LoadOptions = field(default_factory=LoadOptions)
    """How models are loaded."""
    options: MetricOptions = field(default_factory=MetricOptions)
    """What metrics read."""
    batch_tokens: int = 2048
    """Most tokens of one batch, padding included; of both inputs of an encoder-decoder."""
    shard_batches: int = 4
    """Batches that are stored as one file."""
    truncate: bool = False
    """Cut prompts that are longer than the model's context."""
    chat_template: bool = False
    """Put each prompt into the model's own chat template; models without one read it as it is."""
    system: str | None = None
    """What the chat template's system role says; None leaves it to the template."""
    generate: Generation | None = None
    """Let models go on after each prompt, and measure what they generate; None for no more."""
    sample_tokens: int | None = 32
    """How many tokens of a prompt stand for it where a metric is costly; all where None."""
    keep_states: bool = True
    """Keep each prompt's mean state of each layer, which statistics of layers are made of."""
    keep_neurons: bool = False
    """Keep each prompt's mean activation of each MLP's neurons, of which selective ones are found:
    4 bytes a neuron and prompt."""
    threads: int | None = None
    """Threads of each worker; all there are, shared out among the workers, where None. The same
    batches give the same bits at the same number of threads."""

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value}; it must be above zero.")
        if self.system is not None and not self.chat_template:
            raise UsageError(
                "A system text was given and no chat template to hold it; ask for that too, with "
                "--chat-template (chat_template=True in Python)."
            )


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to measure, on what, and where to keep it."""

    models: tuple[str, ...]
    """Model references."""
    out: Path
    """The run folder."""
    suite: Suite | str | Path = "cognitive"
    tasks: tuple[str, ...] | None = None
    """Only these tasks of the suite, all where None."""
    controls: tuple[str, ...] = ()
    """Read these controls of each prompt too: `paraphrase`, `shuffled`, `random`."""
    metrics: tuple[str, ...] | None = None
    """Only these metrics or groups of metrics; the default panel, and the metrics of `plugins`,
    where None."""
    plugins: tuple[Path | str, ...] = ()
    """Python files with metrics of the user's own."""
    settings: Settings = Settings()
    resume: bool = False
    """Continue the run that is in `out`, or start it."""
    force: bool = False
    """Replace what is in `out`."""
    fail_fast: bool = False
    """Stop at the first model that fails, and do not go on with the others."""
    selfcheck: bool = True
    """Check each model quickly before it is measured, and stop where a check fails. It changes no
    number, so that a run may be continued without it."""
    max_memory: int | None = None
    """Most bytes that a model may take of its device: one that is estimated to take more is refused
    before its weights are read. It changes no number."""
    fit_batches: bool = False
    """Take the largest batches that are known to be worth it and fit `max_memory`, or the memory
    that is free, in place of `settings.batch_tokens`, which the run then says."""
    backend: str = "local"
    """Who does the work, by its name in `engine.backends`; it changes no number either."""
    workers: int | None = None
    """How many jobs are done at a time; what suits the backend where None. It changes no number by
    itself; as many fewer threads as each then has may change the last bits."""
    held: ModelSource | None = None
    """The one model, where it is in memory already and not opened by its reference."""
    address: str | None = None
    """Of the cluster that does the work, for a backend that knows some."""

    def __post_init__(self) -> None:
        if self.workers is not None and not self.workers > 0:
            raise UsageError(f"workers is {self.workers}; it must be above zero.")
        if self.address is not None and self.backend == "local":
            raise UsageError(
                "The address of a cluster was given, and the work is to be done on this machine; "
                "give --backend ray (backend='ray' in Python) too, or leave the address out."
            )

    @property
    def stops(self) -> bool:
        """Whether the first model that fails ends the run: one alone leaves nothing to go on."""
        return self.fail_fast or len(self.models) == 1


@runtime_checkable
class Progress(Protocol):
    """Told what a run is doing."""

    def note(self, text: str) -> None:
        """Something worth a line happens."""

    def begin(self, model: str, tokens: int, done: int) -> None:
        """A model of so many tokens begins, `done` of them measured before."""

    def advance(self, model: str, tokens: int) -> None:
        """So many further tokens are measured; below zero, so many are to be measured again."""

    def end(self, model: str) -> None:
        """The model is finished. Others may be under way, and have begun before it."""


class Silent:
    """A progress that says nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Say nothing."""

    def advance(self, model: str, tokens: int) -> None:
        """Say nothing."""

    def end(self, model: str) -> None:
        """Say nothing."""
