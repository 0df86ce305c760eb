"""Measure inside a loop that the user already has."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import torch
from torch import nn

from cortexscope.errors import UsageError
from cortexscope.measure._length_watch import LengthWatch
from cortexscope.measure.observer import Finished, Lengths, Observer, Result, needs_of
from cortexscope.measure.tabulate import PromptRow, tabulate
from cortexscope.measure.tasks import tabulate_tasks
from cortexscope.metrics import MetricOptions, make_metrics, metric_names
from cortexscope.metrics.base.metric import Metric
from cortexscope.models import Model, find_anatomy
from cortexscope.store import MEASUREMENTS, Vectors, to_frame, to_polars
from cortexscope.taps import Tap

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Probe", "attach"]


def attach(
    model: nn.Module | Model,
    *,
    metrics: Sequence[str] | None = None,
    plugins: Sequence[Path | str] = (),
    label: str | None = None,
    near_zero: float = 0.01,
    sink_threshold: float = 0.3,
    window: int = 16,
    sample_tokens: int | None = 32,
) -> Probe:
    """Return a probe that measures every forward pass of a model inside a `with` block.

    The model computes what it would have computed without, and nothing stays behind in it. What
    `torch.compile` made of it, or of code that calls it, runs uncompiled inside the block. A
    warning says so where no forward pass was seen at all.
    Padding is told from tokens by the `attention_mask` that the model is given; without one,
    every position counts. A pass that goes on from a cache, as in generation, has rows of its own,
    in which a token's place is counted from the first one of its text.

    A model with LongRoPE or dynamic NTK reads all texts of a pass by the longest one; a warning
    says so where a text is read otherwise than it would be alone.

    Args:
        model: a Hugging Face model, a `cortexscope.Model`, or a module whose blocks are in a
            `ModuleList`; also inside wrappers such as those of PEFT, accelerate and
            `torch.compile`.
        metrics: names of metrics or of groups; the default panel, and the metrics of `plugins`,
            where None.
        plugins: Python files with metrics of your own.
        label: names the model in the frame; its class name where None.
        near_zero: below this |h| an entry counts as near zero.
        sink_threshold: a head is a sink where its mean attention on the first token exceeds this.
        window: how many of the nearest tokens count as local, the own one included.
        sample_tokens: how many tokens of a prompt stand for it where a metric is costly; all where
            None.

    Raises:
        UnknownNameError: for a metric that does not exist.
        UsageError: for a metric that is measured on sequences of its own, a file that does not
            give metrics, or TorchScript; when the probe becomes active inside of compiled code.
        UnsupportedModelError: if the blocks of the model cannot be found; when the probe becomes
            active, if the model runs its attention by a kernel that shows no scores.
    """
    module = model.module if isinstance(model, Model) else model
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"attach takes a torch module, and was given {type(model).__name__}; "
            "load one with cortexscope.load_model(reference)."
        )
    _refuse_script(module)
    options = MetricOptions(near_zero=near_zero, sink_threshold=sink_threshold, window=window)
    chosen = make_metrics(metric_names(metrics, plugins=plugins), options)
    masked = {"masked", "masked.word"}
    own = [m for m in chosen if m.spec.replication == "sequence" or masked & {*m.spec.needs}]
    generated = [m.spec.name for m in own]
    if generated and set(generated) & set(metrics or ()):
        raise UsageError(
            f"{generated[0]} is measured on inputs that are made for it, and attach reads only "
            "what you give the model; measure it with cortexscope.profile or `cortexscope run`."
        )
    chosen = [metric for metric in chosen if metric.spec.name not in generated]
    if label is None:
        label = model.info.model if isinstance(model, Model) else type(module).__name__
    return Probe(module, chosen, label, sample=sample_tokens)


def _refuse_script(module: nn.Module) -> None:
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) and any(True for _ in part.parameters()):
            raise UsageError(
                f"{path or type(module).__name__} is TorchScript, whose code shows nothing of what "
                "it computes; attach to the model that it was made of."
            )


class _Pass(NamedTuple):
    """What was measured of one forward pass."""

    results: list[Result]
    prompts: list[PromptRow]
    lengths: Lengths


class Probe:
    """Measures forward passes while its `with` block is active; made by `attach`."""

    def __init__(
        self, module: nn.Module, metrics: Sequence[Metric], label: str, *, sample: int | None
    ) -> None:
        self._label = label
        self._metrics = metrics
        self._kept: list[Vectors] = []
        self._next: list[PromptRow] | None = None
        self._passes = 0
        self._pending: list[_Pass] = []
        self._tables: list[pa.Table] = []
        anatomy = find_anatomy(module)
        self._watch = LengthWatch(Observer(metrics, anatomy, self._deliver), module)
        self._tap = Tap(
            module, anatomy, needs=needs_of(metrics), receiver=self._watch, sample=sample
        )
        self._exits = ExitStack()

    def __enter__(self) -> Probe:
        with ExitStack() as exits:
            self._watch.hook(exits)
            exits.enter_context(self._tap)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()
        if kind is None and not self._watch.began:
            warnings.warn(
                f"No forward pass of {self._label} was seen in the block, so that nothing was "
                "measured; if it ran, then in code that holds a copy of it (of torch.jit, "
                "torch.export or a CUDA graph): call the module itself.",
                UserWarning,
                stacklevel=2,
            )

    def name(self, prompt_ids: Sequence[str], *, task: str | None = None) -> None:
        """Name the prompts of the next forward pass; without it they are `pass-prompt`, from 0.

        Args:
            prompt_ids: one a row of the batch.
            task: what they belong to.
        """
        self._next = [(prompt_id, task) for prompt_id in prompt_ids]

    def _deliver(self, finished: Finished) -> None:
        rows = len(next(iter(finished.lengths.values())))
        prompts = self._next or [(f"{self._passes}-{row}", None) for row in range(rows)]
        if len(prompts) != rows:
            raise UsageError(
                f"{len(prompts)} prompts were named and {rows} went through the model; "
                "name each row of the batch."
            )
        self._pending.append(_Pass(finished.results, prompts, finished.lengths))
        if finished.pooled:
            self._kept.append(Vectors(finished.pooled, prompts))
        self._next = None
        self._passes += 1

    def frame(self) -> pd.DataFrame:
        """Return what was measured so far, in the columns of a run's measurements."""
        return to_frame(self._table())

    def frame_polars(self) -> pl.DataFrame:
        """Return what was measured so far as a polars frame."""
        return to_polars(self._table())

    def _table(self) -> pa.Table:
        # Rows take time, and five times the room of their values, and the model waits while
        # it runs: they are made when they are asked for, once.
        while self._pending:
            own = self._pending.pop(0)
            self._tables.append(
                tabulate(own.results, model=self._label, prompts=own.prompts, lengths=own.lengths)
            )
        if not self._tables:
            return MEASUREMENTS.empty_table()
        tables = list(self._tables)
        if self._kept:
            tables.append(tabulate_tasks(self._metrics, self._kept, model=self._label))
        return pa.concat_tables(tables)
