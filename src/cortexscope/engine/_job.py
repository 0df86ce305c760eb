"""A piece of a run that any process can take, and what comes back of it: plain data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.engine._batches import Shard
from cortexscope.engine._generation import Generation
from cortexscope.errors import ModelFileError, UsageError
from cortexscope.files import sha256_of
from cortexscope.metrics import MetricOptions, load_plugin, make_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from cortexscope.metrics.base.metric import Metric
    from cortexscope.models import LoadOptions, ModelSource
    from cortexscope.records import Finding, Halving, ModelInfo
    from cortexscope.store import Vectors

__all__ = [
    "Failed",
    "Finished",
    "Job",
    "Lost",
    "Measured",
    "Plugin",
    "Ready",
    "Setup",
    "Steps",
]


@dataclass(frozen=True, slots=True)
class Plugin:
    """A file with metrics of the user's own, as it was when the run was planned."""

    path: Path
    sha256: str
    content: bytes = field(repr=False)
    """What it holds, for a machine where there is no such file."""

    @classmethod
    def of(cls, path: Path | str) -> Plugin:
        """Return a file as it is now."""
        whole = Path(path).resolve()
        content = whole.read_bytes()
        return cls(whole, hashlib.sha256(content).hexdigest(), content)

    def load(self) -> None:
        """Add its metrics to all metrics of this process.

        Raises:
            UsageError: if the file is another one here.
        """
        try:
            found = sha256_of(self.path)
        except OSError:
            # Another machine may not have it; the content came along.
            found = self.sha256
        if found != self.sha256:
            raise UsageError(
                f"The plug-in {self.path} has changed since the run was planned; ask for the run "
                "again."
            )
        load_plugin(self.path, source=self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Which model is measured, and how: the same for all jobs of a model."""

    reference: str
    """As a user types it, with its label."""
    info: ModelInfo
    """What the plan found behind the reference."""
    loading: LoadOptions
    metrics: tuple[str, ...]
    """Their names."""
    options: MetricOptions
    plugins: tuple[Plugin, ...] = ()
    sample_tokens: int | None = None
    """How many tokens of a prompt stand for it where a metric is costly; all where None."""
    keep_states: bool = False
    """Keep each prompt's mean state of each layer, whatever is measured."""
    keep_neurons: bool = False
    """Keep each prompt's mean activation of each MLP's neurons too."""
    generate: Generation | None = None
    """Let the model go on after each prompt; None for prompts alone."""
    selfcheck: bool = True
    """Check the model quickly before it is measured."""

    def open_model(self) -> ModelSource:
        """Return the model, its weights not yet read.

        Raises:
            ModelFileError: if its files are not those that the plan found.
        """
        from cortexscope.models import open_model

        source = open_model(self.reference, self.loading)
        if source.info.files != self.info.files:
            raise ModelFileError(
                f"{self.info.model} has other files here than where the run was planned; give "
                "both the same revision or folder."
            )
        return source

    def make_metrics(self) -> list[Metric]:
        """Return the metrics, those of plug-ins made of their files anew."""
        for plugin in self.plugins:
            plugin.load()
        return make_metrics(self.metrics, self.options)


@dataclass(frozen=True, slots=True)
class Job:
    """A shard of prompts, or the inputs that a kind of pass makes itself, to be measured."""

    setup: Setup
    work: Shard | str
    """A shard, or the unit of replication that `engine.passes.OWN` has a pass for."""

    @property
    def model(self) -> str:
        """Its label."""
        return self.setup.info.model

    @property
    def name(self) -> int | str:
        """The number of the shard, or the unit of replication: one job a model has it."""
        return self.work.number if isinstance(self.work, Shard) else self.work


@dataclass(frozen=True, slots=True)
class Ready:
    """A model is loaded somewhere."""

    model: str
    """Its label."""
    seconds: Mapping[str, float]
    """That it took, by what was done."""
    checks: tuple[Finding, ...] | None = None
    """What the quick checks found, None where they were not asked for."""
    refusal: str | None = None
    """Why the model does not generate though it was asked to, None where it does."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Something was measured of the tokens that a model added to the prompts of a shard."""

    model: str
    shard: int
    table: pa.Table
    """In the columns of the contract."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A job is done."""

    model: str
    work: int | str
    """The number of the shard, or the unit of replication."""
    table: pa.Table
    """In the columns of the contract."""
    vectors: Vectors | None = None
    """What is kept of its prompts for values of whole tasks, None where nothing is."""
    generations: pa.Table | None = None
    """What the model added to its prompts, None where it was not asked to or cannot."""
    not_finite: str | None = None
    """Where numbers were not finite for the first time, and which prompts those were."""
    halved: tuple[Halving, ...] = ()
    """The batches that memory did not hold, in the order they were met."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Which metrics of plug-ins failed on some of it, with a sentence on how, by name."""
    memory: int | None = None
    """Most bytes held since the model was about to be loaded: of its CUDA devices, else of the
    process; None where the system does not tell."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Who was doing a job is gone; it is done again, and its `Steps` so far count no more."""

    model: str
    work: int | str
    """The number of the shard, or the unit of replication."""
    why: str
    """What became of its worker, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A model cannot be measured, or no further: nothing more comes of it."""

    model: str
    error: Exception


Measured = Ready | Steps | Finished | Lost | Failed
"""What a backend gives of jobs: a model's `Ready` first, the `Steps` of a shard before its
`Finished`."""
